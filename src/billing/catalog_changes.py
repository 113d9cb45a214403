"""What a change of the catalogue does: to which fields, and for whom. Pure: entries and products are handed in."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from billing.errors import Kind, ProductBelongsToAnother
from billing.plan_limits import PlanLimit
from billing.plans import Interval, Price, Provider, Sold, products_of, terms

Effect = Literal["pages", "new", "all"]
"""Who sees that a field has changed: whoever looks at the pages, who buys from now on, or who has bought before too."""
Leaf = str | int | bool | list[str] | None
Product = tuple[Provider, str]
"""A provider, and its id of a product."""
EFFECTS: dict[Effect, str] = {
    "new": "for who buys from now on; who has bought before keeps the earlier terms",
    "all": "for all, also for who has bought before",
    "pages": "on the pages",
}
"""Each effect in words, in the order in which changes are told."""
_NAMES = {"price", "limit_id"}
"""The fields by which the parts of a list are told apart."""


class Entry(NamedTuple):
    """One version of a plan or package."""

    kind: Kind
    id: str
    version: int
    body: Sold
    sha256: bytes
    created_by: str
    created_at: datetime


class SoldAs(NamedTuple):
    """What a product means: a version of an entry, and the name of its price when it was bound."""

    entry: Entry
    price: str


class Wanted(NamedTuple):
    """An entry as somebody wants it to be."""

    id: str
    body: Sold


class FieldChange(NamedTuple):
    """A field, named by its path, with its value before and after; None: it is absent."""

    field: str
    before: Leaf
    after: Leaf
    effect: Effect


class Change(NamedTuple):
    """What becomes of one entry. `before` is its newest version; None: it is new."""

    id: str
    body: Sold
    before: Entry | None

    @property
    def kind(self) -> Kind:
        """Whether it is a plan or a package."""
        return self.body.KIND

    @property
    def is_same(self) -> bool:
        """Whether nothing changes."""
        return self.before is not None and self.before.body == self.body

    @property
    def version(self) -> int:
        """The version afterwards."""
        return (self.before.version if self.before else 0) + (not self.is_same)

    @property
    def fields(self) -> list[FieldChange]:
        """The fields that change, in their order; none for a new entry."""
        return [] if self.before is None else field_changes(self.before.body, self.body)


def field_changes(before: Sold, after: Sold) -> list[FieldChange]:
    """The fields in which two versions of one entry differ."""
    old, new = leaves(before), leaves(after)
    paths = [*old, *(path for path in new if path not in old)]
    return [
        FieldChange(path, old.get(path), new.get(path), _effect(after, path))
        for path in paths
        if old.get(path) != new.get(path)
    ]


def leaf_text(value: Leaf) -> str:
    """A value of a field for people."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case list():
            return "; ".join(value)
        case _:
            return value or "none"


def _effect(after: Sold, path: str) -> Effect:
    parts = path.split(".")
    is_term = parts[0] in (*after.TERMS, "applies_to") or (parts[0] == "prices" and parts[-1] == "interval")
    return after.applies_to if is_term else "pages"


def leaves(sold: Sold) -> dict[str, Leaf]:
    """The values of all fields by their paths, such as `prices.monthly.amount_minor`. An interval is its words."""
    return dict(_leaves(sold, ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Leaf]]:
    match value:
        case Interval():
            yield path, str(value)
        case BaseModel():
            for name, part in value:
                if name not in _NAMES:
                    yield from _leaves(part, _below(path, name))
        case dict():
            for name, part in sorted(value.items()):
                yield from _leaves(part, _below(path, name))
        case (Price() | PlanLimit(), *_):
            for part in value:
                yield from _leaves(part, _below(path, part.price if isinstance(part, Price) else part.limit_id))
        case tuple():
            yield path, [str(part) for part in value] or None
        case _:
            yield path, value


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def check_products(wanted: Wanted, sold: Mapping[Product, SoldAs]) -> None:
    """Raise ProductBelongsToAnother if a product of an entry already means something else.

    `sold` has what the products mean now. A product of the same entry may be named again if the terms are the same, or
    if the new ones apply to all.
    """
    for product, price in products_of(wanted.body).items():
        found = sold.get(product)
        if found is None:
            continue
        entry = found.entry
        own = (entry.kind, entry.id) == (wanted.body.KIND, wanted.id)
        if not own or not (wanted.body.applies_to == "all" or _has_terms_of(found, product, wanted.body, price)):
            raise ProductBelongsToAnother(*product, entry.kind, entry.id, entry.version)


def _has_terms_of(found: SoldAs, product: Product, body: Sold, price: Price) -> bool:
    """Whether a price has the terms that its product already means."""
    old = terms(found.entry.body, products_of(found.entry.body).get(product))
    new = terms(body, price)
    return all(new[name] == value for name, value in old.items())
