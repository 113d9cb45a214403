"""Why the catalogue refuses. Each refusal has a stable code, and the numbers and ids of its reason as facts.

BillingRefused
    PlanNotFound, PackageNotFound
    ProductBelongsToAnother
    CatalogFull
    PriceBookNotFound, EffectiveInThePast
WrongCatalog        a file that is no catalogue
WrongPriceBook      a file that is no price book
"""

from datetime import datetime
from typing import Any, ClassVar, Literal

from ledger.domain.errors import shown

Kind = Literal["plan", "package"]
"""What an entry of the catalogue is."""


class BillingRefused(Exception):
    """A request that is refused. `code` says why, `detail` is a sentence, `facts` has numbers and ids, cut short."""

    code: ClassVar[str]

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts: dict[str, Any] = {
            name: shown(fact) if isinstance(fact, str) else fact for name, fact in facts.items()
        }


class _NotFound(BillingRefused):
    noun: ClassVar[str]

    def __init__(self, entry_id: str, version: int | None = None) -> None:
        if version is None:
            super().__init__(f"There is no {self.noun} {shown(entry_id)!r}.", **{f"{self.noun}_id": entry_id})
        else:
            detail = f"The {self.noun} {shown(entry_id)!r} has no version {version}."
            super().__init__(detail, **{f"{self.noun}_id": entry_id, "version": version})


class PlanNotFound(_NotFound):
    """The catalogue has no such plan, or no such version of it."""

    code = "plan_not_found"
    noun = "plan"


class PackageNotFound(_NotFound):
    """The catalogue has no such package, or no such version of it."""

    code = "package_not_found"
    noun = "package"


class ProductBelongsToAnother(BillingRefused):
    """A product of a provider already means other terms: those of another entry, or of an earlier version."""

    code = "product_belongs_to_another"

    def __init__(self, provider: str, product_id: str, kind: Kind, entry_id: str, version: int) -> None:
        super().__init__(
            f"The product {shown(product_id)!r} of {provider} already means version {version} of the {kind} "
            f"{shown(entry_id)!r}, with other terms. Make a new product at the provider, "
            "so that whoever has the old one keeps its terms.",
            provider=provider,
            product_id=product_id,
            **{f"{kind}_id": entry_id},
            version=version,
        )


class CatalogFull(BillingRefused):
    """The catalogue has as many entries of a kind, or versions of an entry, as it may have."""

    code = "catalog_limit_exceeded"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"The catalogue may have at most {limit} {what}.", limit=limit)


class PriceBookNotFound(BillingRefused):
    """The price book has no such version."""

    code = "price_book_not_found"

    def __init__(self, version: int) -> None:
        super().__init__(f"The price book has no version {version}.", version=version)


class EffectiveInThePast(BillingRefused):
    """A version of the price book would take effect before it exists."""

    code = "effective_in_the_past"

    def __init__(self, effective_at: datetime, now: datetime) -> None:
        super().__init__(
            f"The version would take effect at {effective_at.isoformat()}, and it is {now.isoformat()}: what was "
            "priced keeps its price. Leave effective_at out, so that the version takes effect at once.",
            effective_at=effective_at,
            now=now,
        )


class WrongPriceBook(Exception):
    """A file is no price book. The message is one line that names the file and what is wrong in it."""


class WrongCatalog(Exception):
    """A file is no catalogue. The message is one line that names the file and what is wrong in it."""


def not_found(kind: Kind, entry_id: str, version: int | None = None) -> BillingRefused:
    """The refusal for an entry that the catalogue does not have."""
    return PlanNotFound(entry_id, version) if kind == "plan" else PackageNotFound(entry_id, version)
