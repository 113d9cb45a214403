"""The price of usage under a price book: a pure function, and the only one that makes a price.

    price(book, usage) -> Price | NoPrice

The most specific rate alone decides. It must cover what the usage says: a quantity that it neither charges nor names as
free has no price, so that nothing is free because somebody forgot it.
"""

from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.pricing.book import Fitting, PriceBook
from ledger.domain.pricing.charging import lines_of
from ledger.domain.pricing.price import NoPrice, Price, Priced
from ledger.domain.pricing.rates import Flat
from ledger.domain.usage import COUNTED, Usage


def price(book: PriceBook | None, usage: Usage) -> Priced:
    """What usage costs under a book (None: no book is in force), or why it has no price."""
    if book is None:
        return NoPrice("no_book")
    fitting = book.fitting(usage)
    if fitting is None:
        return NoPrice("no_rate", book.version)
    if left := _not_charged(fitting, usage):
        return NoPrice("not_charged", book.version, left)
    if _says_nothing(fitting, usage):
        return NoPrice("nothing_said", book.version, fitting.charged)
    rate, scale, _ = fitting
    lines = lines_of(rate, scale, usage)
    parts = sum([one for _, one in lines])
    credits, said = scale.rounded_up(parts), tuple([line for line, _ in lines])
    if credits > MAX_AMOUNT:
        return NoPrice("too_much", book.version)
    return Price(book.version, book.sha256, credits, scale.text(parts), rate.fits, said)


def _not_charged(fitting: Fitting, usage: Usage) -> tuple[str, ...]:
    rate, _, quantities = fitting
    return tuple([name for name in COUNTED if usage.get(name) and name not in quantities and name not in rate.free])


def _says_nothing(fitting: Fitting, usage: Usage) -> bool:
    """Whether usage says none of the quantities by which alone a rate charges."""
    rate, _, quantities = fitting
    if any(name in usage or name == "quantity" for name in quantities):
        return False
    return bool(quantities) and not any(isinstance(charge, Flat) for charge in rate.charges)
