"""The price of usage under a price book: a pure function, and the only one that makes a price.

    price(book, usage) -> Price | NoPrice

The most specific rate alone decides. It must cover what the usage says: a quantity that it neither charges nor names as
free has no price, so that nothing is free because somebody forgot it.
"""

from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.errors.refusal import shown
from ledger.domain.pricing.book import PriceBook
from ledger.domain.pricing.charging import lines_of
from ledger.domain.pricing.price import NoPrice, Price, Priced
from ledger.domain.usage import PRICED_BY, Usage


def words_of(usage: Usage) -> str:
    """What chooses the rate of some usage, such as `usage with provider 'openai', model 'gpt-5', no metric`."""
    said = {name: usage.get(name) for name in PRICED_BY}
    words = [f"no {name}" if value is None else f"{name} {shown(str(value))!r}" for name, value in said.items()]
    return f"usage with {', '.join(words)}"


def price(book: PriceBook | None, usage: Usage) -> Priced:
    """What usage costs under a book (None: no book is in force), or why it has no price."""
    if book is None:
        return NoPrice("no_book")
    prepared = book.fitting(usage)
    if prepared is None:
        return NoPrice("no_rate", book.version)
    if left := [name for name in prepared.uncovered if usage.get(name)]:
        return NoPrice("not_charged", book.version, tuple(left))
    if prepared.needed and not any(name in usage for name in prepared.needed):
        return NoPrice("nothing_said", book.version, prepared.needed)
    lines, scale = lines_of(prepared, usage), prepared.scale
    parts = sum([one for _, one in lines])
    credits, said = scale.rounded_up(parts), tuple([line for line, _ in lines])
    if credits > MAX_AMOUNT:
        return NoPrice("too_much", book.version)
    return Price(book.version, book.sha256, credits, scale.text(parts), prepared.rate.fits, said)
