"""The rates of a price book as pages list them: those that a text is about, in groups where they are many."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from billing.prices.document import RateBody
from billing.prices.wording import globs_of, rate_text
from ledger.domain.pricing.globs import ANY, matches
from ledger.domain.pricing.price import FittingRate

FEW = 20
"""Rates that are one table, without groups and without a search."""


class ListedRate(NamedTuple):
    """A rate: the globs that its group does not say, and its price in words."""

    fits: tuple[str, ...]
    text: str


class RateGroup(NamedTuple):
    """Rates that share a glob, which may be `*`. The glob is empty where all rates are one group."""

    glob: str
    rates: Sequence[ListedRate]


class RateList(NamedTuple):
    """What a page lists: `found` of `total` rates are about `text`, and `more` of them are not shown.

    `by` is what the groups share: `provider` or `metric`, or empty for one group.
    """

    text: str
    total: int
    found: int
    more: int
    by: str
    groups: Sequence[RateGroup]

    @property
    def searchable(self) -> bool:
        """Whether the rates are so many that somebody may look for one."""
        return self.total > FEW


def rate_list(rates: Sequence[RateBody], text: str, most: int) -> RateList:
    """The rates that a text is about (empty: all), of which at most `most` are shown."""
    found = [rate for rate in rates if _is_about(globs_of(rate), text)]
    shown = found[:most]
    by = _by(shown)
    return RateList(text, len(rates), len(found), len(found) - len(shown), by, list(_groups(shown, by)))


def _is_about(fits: FittingRate, text: str) -> bool:
    """Whether each word is a part of a glob, or is what a glob that is not `*` stands for."""
    globs = [glob.casefold() for glob in fits]
    words = text.casefold().split()
    return all(any(word in glob or (glob != ANY and matches(glob, word)) for glob in globs) for word in words)


def _by(rates: Sequence[RateBody]) -> str:
    """By what many rates are grouped: by provider, or by metric where they are all of one provider."""
    if len(rates) > FEW:
        for name in ("provider", "metric"):
            if len({getattr(rate, name) for rate in rates}) > 1:
                return name
    return ""


def _groups(rates: Sequence[RateBody], by: str) -> Iterator[RateGroup]:
    """The groups by name, that of any last; within each the order of the book."""
    groups: dict[str, list[ListedRate]] = {}
    for rate in rates:
        fits = globs_of(rate)._asdict()
        groups.setdefault(fits.pop(by, ""), []).append(ListedRate(tuple(fits.values()), rate_text(rate)))
    for glob in sorted(groups, key=lambda name: (name == ANY, name.casefold(), name)):
        yield RateGroup(glob, groups[glob])
