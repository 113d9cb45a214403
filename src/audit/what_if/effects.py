"""What an event changes in the costs under another price book. Pure: the book and earlier events are arguments."""

from collections.abc import Mapping

from audit.what_if.costs import Effect
from ledger.domain.events import CreditsDeducted, DeductionReversed, Event, HoldCaptured
from ledger.domain.pricing.book import PriceBook
from ledger.domain.pricing.price import NoPrice
from ledger.domain.pricing.rating import price
from ledger.domain.usage import Usage

Spent = CreditsDeducted | HoldCaptured
"""The events that say what they paid for."""


def asked(event: Spent) -> int:
    """What was asked for: what was taken, and what was not available."""
    return event.amount + (event.uncollected or 0)


def would_cost(book: PriceBook, usage: Usage | None) -> int | NoPrice | None:
    """What usage would have cost in whole credits, or why nobody knows; None where nothing is said."""
    if not usage:
        return None
    found = price(book, usage)
    return found if isinstance(found, NoPrice) else found.credits


def effect_of(book: PriceBook, event: Spent) -> Effect:
    """What a deduction or a capture adds."""
    return Effect(1, asked(event), would_cost(book, event.usage))


def reversal_effect(book: PriceBook, spent: Spent, before: int, event: DeductionReversed) -> Effect:
    """What a reversal takes away. `before` is what earlier reversals gave back of the same deduction.

    Of what the deduction would have cost, all reversals so far give back their share, rounded down: so a deduction that
    comes back as a whole, in however many parts, costs nothing under either book.
    """
    whole, back = asked(spent), given_back(event)
    other = would_cost(book, spent.usage)
    if isinstance(other, int) and whole:
        other = other * before // whole - other * (before + back) // whole
    return Effect(0, -back, other)


def given_back(event: DeductionReversed) -> int:
    """What a reversal gives back of what was asked for: credits, and what is not asked for any more."""
    return event.amount + (event.waived or 0)


def reversed_deduction(event: DeductionReversed, version: int, stream: Mapping[int, Event]) -> tuple[Spent, int]:
    """The deduction that a reversal is about, and what was given back of it before, from the events of its account.

    `version` is that of the reversal; `stream` has at least the deduction and its reversals. Raises LookupError.
    """
    before, spent = 0, None
    for at, one in stream.items():
        match one:
            case CreditsDeducted() | HoldCaptured() if one.deduction_id == event.deduction_id:
                spent = one
            case DeductionReversed() if one.deduction_id == event.deduction_id and at < version:
                before += given_back(one)
            case _:
                pass
    if spent is None:
        raise LookupError(event.deduction_id)
    return spent, before
