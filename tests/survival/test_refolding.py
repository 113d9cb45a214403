"""Streams that must not be, each told by hand: the refolding names what is wrong with them, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from tests.survival.log import Row
from tests.survival.refolding import Book

START = datetime(2026, 1, 1, tzinfo=UTC)
Event = tuple[float, str, dict[str, Any]]
"""Seconds after the start, the type, and the data."""


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def balance(subscription: int, permanent: int, held: int = 0, end: float | None = None) -> dict[str, Any]:
    said = {"subscription_credits": subscription, "permanent_credits": permanent, "held": held}
    return said | ({} if end is None else {"subscription_expire_at": at(end)})


def event(second: float, topic: str, left: dict[str, Any], **data: Any) -> Event:
    """One event, with the balance after it."""
    return second, topic, {**data, "balance": left}


def part(grant_id: str, amount: int, fate: str | None = None) -> dict[str, Any]:
    kind = "permanent" if grant_id == "grt_4" else "subscription"
    return {"grant_id": grant_id, "kind": kind, "amount": amount} | ({"fate": fate} if fate else {})


def granted(number: int, kind: str, amount: int, left: dict[str, Any], end: float | None = None, at_: int = 0) -> Event:
    expires = {} if end is None else {"expires_at": at(end)}
    return event(at_, "CreditsGranted", left, grant_id=f"grt_{number}", kind=kind, amount=amount, **expires)


def deducted(second: float, draws: list[dict[str, Any]], left: dict[str, Any], amount: int = 0) -> Event:
    """What is deducted after the opening."""
    amount = amount or sum(draw["amount"] for draw in draws)
    return event(second, "CreditsDeducted", left, deduction_id="ded_5", amount=amount, draws=draws)


def held(second: float, number: int, draws: list[dict[str, Any]], left: dict[str, Any], end: float) -> Event:
    amount = sum(draw["amount"] for draw in draws)
    return event(second, "CreditsHeld", left, hold_id=f"hld_{number}", amount=amount, draws=draws, expires_at=at(end))


def captured(second: float, left: dict[str, Any], hold: int = 11) -> Event:
    """Four of a hold of ten of grt_4, for good."""
    lots: dict[str, Any] = {
        "from_hold": [part("grt_4", 4)],
        "from_lots": [],
        "returns": [part("grt_4", 6, "returned")],
    }
    named = {"hold_id": f"hld_{hold}", "deduction_id": "ded_12", "amount": 4, "final": True}
    return event(second, "HoldCaptured", left, **named, **lots)


def lapsed(second: float, amount: int, effective: float, left: dict[str, Any], grant_id: str = "grt_3") -> Event:
    return event(second, "CreditsExpired", left, grant_id=grant_id, amount=amount, effective_at=at(effective))


def hold_expired(second: float, hold: int, effective: float, back: list[dict[str, Any]], left: dict[str, Any]) -> Event:
    return event(second, "HoldExpired", left, hold_id=f"hld_{hold}", effective_at=at(effective), returns=back)


def reversed_(second: float, amount: int, back: list[dict[str, Any]], left: dict[str, Any]) -> Event:
    return event(second, "DeductionReversed", left, deduction_id="ded_5", amount=amount, returns=back)


FULL = balance(80, 40, 0, 10)
THIRTY = [part("grt_3", 30)]
BACK = [part("grt_2", 5, "returned"), part("grt_3", 3, "returned")]
OPENING: list[Event] = [
    event(0, "AccountOpened", balance(0, 0)),
    granted(2, "subscription", 50, balance(50, 0, 0, 20), end=20),
    granted(3, "subscription", 30, balance(80, 0, 0, 10), end=10),
    granted(4, "permanent", 40, FULL),
]
"""The lot that lapses first is the second."""
SPENT: list[Event] = [*OPENING, deducted(1, [*THIRTY, part("grt_2", 5)], balance(45, 40, 0, 20))]
HOLDING: list[Event] = [
    *SPENT,
    reversed_(2, 8, BACK, balance(53, 40, 0, 10)),
    lapsed(12, 3, 10, balance(50, 40, 0, 20)),
    held(12, 8, [part("grt_2", 50), part("grt_4", 1)], balance(50, 40, 51), end=15),
    hold_expired(21, 8, 15, [part("grt_2", 50, "returned"), part("grt_4", 1, "returned")], balance(50, 40, 0, 20)),
    lapsed(21, 50, 20, balance(0, 40), "grt_2"),
    held(21, 11, [part("grt_4", 10)], balance(0, 40, 10), end=99),
]
GOOD: list[Event] = [*HOLDING, captured(22, balance(0, 36)), event(23, "AccountClosed", balance(0, 36))]
PAID: list[Event] = [
    *OPENING,
    event(1, "PaymentRecorded", FULL, payment_id="p", provider="s", status="paid", amount_minor=5),
]


def complaints(events: list[Event], versions: dict[int, int] | None = None, book: Book | None = None) -> list[str]:
    """What the refolding has to say about a stream."""
    book = book or Book("a")
    for number, (second, topic, data) in enumerate(events, 1):
        metadata = {"operation": "op", "idempotency_key": "k", "request_id": "r"}
        state = orjson.dumps({"data": data, "metadata": metadata, "recorded_at": at(second), "schema": 1})
        book.fold(Row(number, "a", (versions or {}).get(number, number), topic, state))
    return book.complaints


def test_a_good_stream() -> None:
    assert complaints(GOOD) == []


WRONG: dict[str, tuple[str, list[Event]]] = {
    "permanent first": (
        "the burn order is",
        [*OPENING, deducted(1, [part("grt_4", 5)], balance(80, 35, 0, 10))],
    ),
    "the later expiry first": (
        "the burn order is",
        [*OPENING, deducted(1, [part("grt_2", 5)], balance(75, 40, 0, 10))],
    ),
    "draws in another order": (
        "the burn order is",
        [*OPENING, deducted(1, [part("grt_2", 5), *THIRTY], balance(45, 40, 0, 20))],
    ),
    "spent at its expiry": (
        "spends 30 of grt_3 after its expiry",
        [*OPENING, deducted(10, THIRTY, balance(50, 40, 0, 20))],
    ),
    "an expiry that nobody recorded": (
        "comes after the expiry of grt_3",
        [*OPENING, deducted(11, [part("grt_2", 1)], balance(79, 40, 0, 10))],
    ),
    "lapsed early": ("lapses early: grt_3", [*OPENING, lapsed(9, 30, 9, balance(50, 40, 0, 20))]),
    "lapsed before its time had come": ("lapses early: grt_3", [*OPENING, lapsed(9, 30, 10, balance(50, 40, 0, 20))]),
    "lapsed by a part": ("lets 10 lapse of 30", [*OPENING, lapsed(10, 10, 10, balance(70, 40, 0, 10))]),
    "overspent": (
        "overspends grt_4: 99 of 40",
        [*OPENING, deducted(1, [*THIRTY, part("grt_2", 50), part("grt_4", 99)], balance(0, -59))],
    ),
    "a negative balance": (
        "leaves a negative balance",
        [*OPENING, deducted(1, [*THIRTY, part("grt_2", 50), part("grt_4", 99)], balance(0, -59))],
    ),
    "draws that do not add up": (
        "draws 30 for 31",
        [*OPENING, deducted(1, THIRTY, balance(50, 40, 0, 20), amount=31)],
    ),
    "another balance": ("says the balance 49 + 40", [*OPENING, deducted(1, THIRTY, balance(49, 40, 0, 20))]),
    "another next expiry": ("says the balance", [*OPENING, deducted(1, THIRTY, balance(50, 40, 0, 19))]),
    "a clock that runs backwards": (
        "before the event before it",
        [*HOLDING, event(20, "AccountFrozen", balance(0, 40, 10))],
    ),
    "spent while frozen": (
        "spends from a frozen account",
        [*OPENING, event(0, "AccountFrozen", FULL), deducted(1, THIRTY, balance(50, 40, 0, 20))],
    ),
    "more captured while frozen than was held": (
        "spends more of a frozen account than was held",
        [
            *HOLDING,
            event(22, "AccountFrozen", balance(0, 40, 10)),
            event(
                22,
                "HoldCaptured",
                balance(0, 29),
                hold_id="hld_11",
                deduction_id="ded_13",
                amount=11,
                final=True,
                from_hold=[part("grt_4", 10)],
                from_lots=[part("grt_4", 1)],
                returns=[],
            ),
        ],
    ),
    "granted when closed": (
        "happened to a closed account",
        [*GOOD, granted(14, "permanent", 5, balance(0, 41), at_=24)],
    ),
    "opened twice": ("is an opening that is not the first", [*OPENING, event(1, "AccountOpened", FULL)]),
    "a grant with another's id": ("grants 5 as grt_4", [*OPENING, granted(4, "permanent", 5, balance(80, 5, 0, 10))]),
    "a hold that has ended": (
        "hld_8 has ended",
        [*HOLDING, captured(22, balance(0, 36), hold=8)],
    ),
    "a hold that never was": ("hld_77 has never been", [*HOLDING, captured(23, balance(0, 36), hold=77)]),
    "a hold used at its end": ("uses hld_11 after its expiry", [*HOLDING, captured(99, balance(0, 36))]),
    "a hold that keeps credits when it is over": (
        "says the balance 0 + 36, 6 held",
        [*HOLDING, captured(22, balance(0, 36, 6))],
    ),
    "a hold expired early": (
        "lapses early: hld_11",
        [*HOLDING, hold_expired(22, 11, 22, [part("grt_4", 10, "returned")], balance(0, 40))],
    ),
    "more reversed than deducted": ("it reverses 36 of 35", [*SPENT, reversed_(2, 36, [], balance(81, 40, 0, 10))]),
    "reversed in the order of the draws": (
        "and it had to be",
        [*SPENT, reversed_(2, 8, [part("grt_3", 8, "returned")], balance(53, 40, 0, 10))],
    ),
    "given back to a lot that has lapsed": (
        "and it had to be",
        [*SPENT, reversed_(10, 8, BACK, balance(53, 40, 0, 10))],
    ),
    "voided more than there is": (
        "voids 41 of 40",
        [
            *OPENING,
            event(1, "GrantVoided", balance(80, -1, 0, 10), grant_id="grt_4", amount=41, uncollected=0, closed=False),
        ],
    ),
    "a payment twice": ("records p once more", [*PAID, PAID[-1]]),
    "refunded more than paid": (
        "refunds 6 of 5",
        [*PAID, event(1, "PaymentRefunded", FULL, payment_id="p", refund_id="r", amount_minor=6, refunded_minor=6)],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_must_not_be_is_named(name: str) -> None:
    words, events = WRONG[name]
    found = complaints(events)
    assert any(words in sentence for sentence in found), found
    assert all(sentence.startswith(f"version {len(events)} of a ") for sentence in found), found


def test_a_version_that_is_missing() -> None:
    assert complaints(GOOD[:4], {4: 5})[0] == "version 5 of a (CreditsGranted) follows version 3"
