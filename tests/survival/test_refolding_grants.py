"""Streams that must not be, with grants that start later and payments that buy several grants."""

from typing import Any

import pytest

from ledger.domain.events import Event as AnyEvent
from tests.survival.refolding import FOLDS, Book
from tests.survival.shares import shares
from tests.survival.test_refolding import FULL, OPENING, Event, at, balance, complaints, event

Data = dict[str, Any]


def coming(second: float, left: Data, amount: int = 10, effective: float = 5, **more: Any) -> Event:
    said = {"grant_id": "grt_5", "kind": "permanent", "amount": amount, "effective_at": at(effective), **more}
    return event(second, "CreditsGranted", left, **said)


def started(second: float, left: Data, amount: int = 10, effective: float = 5) -> Event:
    said = {"grant_id": "grt_5", "kind": "permanent", "amount": amount, "effective_at": at(effective)}
    return event(second, "GrantStarted", left, **said)


def voided(second: float, grant_id: str, amount: int, left: Data, *, closed: bool = False, **more: Any) -> Event:
    said = {"grant_id": grant_id, "amount": amount, "uncollected": 0, "closed": closed, **more}
    return event(second, "GrantVoided", left, **said)


COMING: list[Event] = [*OPENING, coming(1, FULL)]
LESSENED: list[Event] = [*COMING, voided(2, "grt_5", 4, FULL, coming=True)]
STARTED: list[Event] = [*LESSENED, started(6, balance(80, 46, 0, 10), 6)]


def paid(status: str = "paid", **bought: Any) -> Event:
    return event(1, "PaymentRecorded", FULL, payment_id="p", provider="s", status=status, amount_minor=10, **bought)


def bought(number: int, amount: int, left: Data, payment: str | None = "p") -> Event:
    said: Data = {"grant_id": f"grt_{number}", "kind": "permanent", "amount": amount}
    return event(1, "CreditsGranted", left, **said, **({"payment_id": payment} if payment else {}))


def refunded(amount: int, total: int, left: Data) -> Event:
    said: Data = {"payment_id": "p", "refund_id": f"r{total}", "amount_minor": amount, "refunded_minor": total}
    return event(2, "PaymentRefunded", left, **said, provider="s")


BOUGHT: list[Event] = [
    *OPENING,
    paid(grant_ids=["grt_6", "grt_7"]),
    bought(6, 3, balance(80, 43, 0, 10)),
    bought(7, 7, balance(80, 50, 0, 10)),
]
HALF: list[Event] = [
    *BOUGHT,
    refunded(5, 5, balance(80, 50, 0, 10)),
    voided(2, "grt_6", 1, balance(80, 49, 0, 10)),
    voided(2, "grt_7", 4, balance(80, 45, 0, 10)),
]
WHOLE: list[Event] = [
    *HALF,
    refunded(5, 10, balance(80, 45, 0, 10)),
    voided(2, "grt_6", 2, balance(80, 43, 0, 10), closed=True),
    voided(2, "grt_7", 3, balance(80, 40, 0, 10), closed=True),
]
AT_LAST: list[Event] = [*OPENING, paid("failed"), paid(grant_id="grt_7"), bought(7, 7, balance(80, 47, 0, 10))]

GOOD = {"a coming grant": STARTED, "several grants": WHOLE, "failed, then paid": AT_LAST}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_stream(name: str) -> None:
    assert complaints(GOOD[name]) == []


WRONG: dict[str, tuple[str, list[Event]]] = {
    "a grant that starts early": ("starts early: grt_5", [*COMING, started(4, balance(80, 50, 0, 10), effective=4)]),
    "a grant that starts before its time has come": (
        "starts early: grt_5",
        [*COMING, started(4, balance(80, 50, 0, 10))],
    ),
    "a start that nobody recorded": (
        "comes after the start of grt_5",
        [*COMING, event(5, "AccountUpdated", FULL)],
    ),
    "a coming grant that is spendable at once": (
        "says the balance 80 + 50",
        [*OPENING, coming(1, balance(80, 50, 0, 10))],
    ),
    "a part that starts": ("starts 4 of 6", [*LESSENED, started(6, balance(80, 44, 0, 10), 4)]),
    "a start twice": ("starts 6 of 0", [*STARTED, started(7, balance(80, 52, 0, 10), 6)]),
    "a start in the past": ("starts at", [*OPENING, coming(6, FULL)]),
    "an end before the start": (
        "expires at",
        [*OPENING, coming(1, FULL, kind="subscription", expires_at=at(4))],
    ),
    "a coming grant voided as if it had started": (
        "or does not say so",
        [*COMING, voided(2, "grt_5", 4, FULL)],
    ),
    "a grant of a payment that is missing": (
        "comes before the CreditsGranted of grt_7",
        [*BOUGHT[:-1], event(1, "AccountUpdated", balance(80, 43, 0, 10))],
    ),
    "a grant of another payment": (
        "is a grant of the payment None",
        [*BOUGHT[:-1], bought(7, 7, balance(80, 50, 0, 10), payment=None)],
    ),
    "a grant that no payment bought": (
        "is a grant of the payment p",
        [*OPENING, bought(5, 7, balance(80, 47, 0, 10))],
    ),
    "a failed payment that buys": ("and is failed", [*OPENING, paid("failed", grant_id="grt_6")]),
    "a payment that fails after all": ("records p once more", [*AT_LAST, paid("failed")]),
    "a refund that voids nothing": (
        "comes before the GrantVoided of grt_6",
        [*HALF[:-2], event(2, "AccountUpdated", balance(80, 50, 0, 10))],
    ),
    "a refund that voids another share": (
        "voids 2 of grt_6, and 1 had to go",
        [*HALF[:-2], voided(2, "grt_6", 2, balance(80, 48, 0, 10))],
    ),
    "a refund that takes all from the last grant": (
        "comes before the GrantVoided of grt_6",
        [*HALF[:-2], voided(2, "grt_7", 5, balance(80, 45, 0, 10))],
    ),
    "a full refund that leaves a grant open": (
        "voids 2 of grt_6",
        [*WHOLE[:-2], voided(2, "grt_6", 2, balance(80, 43, 0, 10))],
    ),
    "a refund of a payment that failed": ("refunds 5 of 10", [*OPENING, paid("failed"), refunded(5, 5, FULL)]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_must_not_be_is_named(name: str) -> None:
    words, events = WRONG[name]
    found = complaints(events)
    assert any(words in sentence for sentence in found), found
    assert all(sentence.startswith(f"version {len(events)} of a ") for sentence in found), found


def test_a_stream_that_ends_before_a_grant_that_was_bought() -> None:
    book = Book("a")
    assert complaints(BOUGHT[:-1], book=book) == []
    assert book.unfinished == ["a ends before the CreditsGranted of grt_7"]


def test_shares_of_several_grants() -> None:
    assert shares([3, 7], 5, 10) == [1, 4]
    assert shares([10, 10], 1, 20) == [1, 0]
    assert [shares([3, 7, 5], part, 15) for part in (0, 15)] == [[0, 0, 0], [3, 7, 5]]
    assert [sum(shares([3, 7, 5], part, 100)) for part in range(101)] == [15 * part // 100 for part in range(101)]


def test_every_event_is_folded_or_moves_nothing() -> None:
    """An event of a new type is worked out here too, unless it is one of these."""
    nothing = {"AccountOpened", "AccountUpdated", "TextsErased", "SubscriptionRecorded"}
    assert set(FOLDS) | nothing == {kind.__name__ for kind in AnyEvent.__args__}
