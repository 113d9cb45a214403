"""A price book: its rates, sorted so that the first one that matches is the most specific."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from ledger.domain.errors.refusal import shown
from ledger.domain.pricing.charging import Prepared
from ledger.domain.pricing.globs import agree, ends
from ledger.domain.pricing.rates import Rate
from ledger.domain.usage import Usage

_REMEMBERED = 4_096
"""The combinations of provider, model and metric whose rates are remembered."""


class AmbiguousRates(ValueError):
    """Two rates of a book are equally specific, and some usage matches both. `places` are their indexes."""

    def __init__(self, first: int, second: int, rates: Sequence[Rate]) -> None:
        one, other = (f"rate {place + 1} ({shown(' / '.join(rates[place].fits))})" for place in (first, second))
        super().__init__(f"{one} and {other} are equally specific, and some usage matches both")
        self.places = first, second


@dataclass(frozen=True, slots=True, eq=False)
class PriceBook:
    """A version of the price book, with the SHA-256 of its content in hex. `of` makes one."""

    version: int
    sha256: str
    named: Mapping[str, tuple[Rate, ...]]
    """The rates of one model, by its name."""
    others: tuple[Rate, ...]
    """The rates whose model is a glob."""

    @classmethod
    def of(cls, version: int, sha256: str, rates: Iterable[Rate]) -> "PriceBook":
        """A book of rates that `check_rates` accepts."""
        by_specificity = sorted(rates, key=lambda rate: rate.specificity, reverse=True)
        named: dict[str, list[Rate]] = {}
        for rate in by_specificity:
            if "*" not in rate.model:
                named.setdefault(rate.model, []).append(rate)
        others = tuple(rate for rate in by_specificity if "*" in rate.model)
        return cls(version, sha256, {model: tuple(those) for model, those in named.items()}, others)

    def sharing(self, other: "PriceBook") -> "PriceBook":
        """The same book, with the rates of another one in place of equal ones. Versions mostly differ in few rates, so
        memory then has the others once."""
        named = {
            rates[0].model: rates
            for rates in (_shared(those, other.named.get(model, ())) for model, those in self.named.items())
        }
        return PriceBook(self.version, self.sha256, named, _shared(self.others, other.others))

    def fitting(self, usage: Usage) -> Prepared | None:
        """The most specific rate that matches some usage, prepared; None if none does."""
        get = usage.get
        return _fitting(self, get("provider"), get("model"), get("metric"))


def _shared(rates: tuple[Rate, ...], kept: tuple[Rate, ...]) -> tuple[Rate, ...]:
    """Some rates, each from `kept` if an equal one is there; `kept` itself if all are."""
    if rates == kept:
        return kept
    by_globs = {rate.fits: rate for rate in kept}
    return tuple(one if (one := by_globs.get(rate.fits)) == rate else rate for rate in rates)


@lru_cache(_REMEMBERED)
def _fitting(book: PriceBook, *said: str | int | None) -> Prepared | None:
    provider, model, metric = (name if isinstance(name, str) else None for name in said)
    candidates = book.named.get(model, ()) if model is not None else (), book.others
    found = [next((one for one in rates if one.matches(provider, model, metric)), None) for rates in candidates]
    best = max((rate for rate in found if rate is not None), key=lambda rate: rate.specificity, default=None)
    return None if best is None else Prepared.of(best)


def check_rates(rates: Sequence[Rate]) -> None:
    """Raise AmbiguousRates if two rates are equally specific and can match the same usage."""

    def key(place: int) -> tuple[object, ...]:
        """Rates with another key have another specificity, or name other things."""
        rate = rates[place]
        return rate.specificity, *("" if "*" in glob else glob for glob in rate.fits)

    for _, places in groupby(sorted(range(len(rates)), key=key), key):
        alike = sorted(places)
        meeting = _meeting([_ends(rates[place]) for place in alike])
        if meeting is not None:
            first, second = sorted(alike[place] for place in meeting)
            raise AmbiguousRates(first, second, rates)


def _ends(rate: Rate) -> tuple[str, ...]:
    return tuple(end for glob in rate.fits for end in ends(glob))


def _meeting(alike: Sequence[tuple[str, ...]]) -> tuple[int, int] | None:
    """The places of two rates all of whose ends agree; None if there are none. A file of thousands of rates must not
    keep a process busy, so only those are compared that agree at the end at which the fewest do."""
    orders = [_Order.at(end, alike) for end in range(len(alike[0]))]
    for one, other in min(orders, key=lambda order: order.number).pairs():
        if all(map(agree, alike[one], alike[other])):
            return one, other
    return None


class _Order(NamedTuple):
    """The places of rates in the order of one of their ends. Behind each come those that begin with its end, up to the
    one in `until`."""

    places: list[int]
    until: list[int]

    @classmethod
    def at(cls, end: int, alike: Sequence[tuple[str, ...]]) -> "_Order":
        """The order of one end."""
        places = sorted(range(len(alike)), key=lambda place: alike[place][end])
        texts = [alike[place][end] for place in places]
        return cls(places, [_until(texts, first) for first in range(len(texts))])

    @property
    def number(self) -> int:
        """How many pairs agree."""
        return sum(self.until) - len(self.until) * (len(self.until) + 1) // 2

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Those pairs."""
        for first, place in enumerate(self.places):
            for other in self.places[first + 1 : self.until[first]]:
                yield place, other


def _until(texts: Sequence[str], first: int) -> int:
    text = texts[first]
    return bisect_left(texts, True, lo=first, key=lambda other: not other.startswith(text))
