"""Streams with limits that must not be: the refolding names what is wrong with their counters and windows."""

from typing import Any

import pytest

from tests.survival.counters import Count
from tests.survival.test_refolding import FULL, OPENING, Event, at, balance, complaints, event, lapsed, part

HOUR = 3_600.0
Data = dict[str, Any]


def limit(limit_id: str, amount: int, *, source: str = "plan", **said: Any) -> Data:
    usual = {"each": ["member"], "only": {}, "unit": "credits", "hard": True, "near": [80], "allowances": {}}
    return {**usual, "limit_id": limit_id, "amount": amount, "source": source, **said}


EACH = limit("each", 20, period={"seconds": 60})
ALL = limit("all", 15, each=[], hard=False)
FILES = limit("files", 5, unit="files", period={"every": "hour", "zone": "UTC", "starts": 1})


def limits_set(second: float, *limits: Data, left: Data = FULL, kept: tuple[str, ...] = (), **more: Any) -> Event:
    return event(second, "LimitsSet", left, source="plan", limits=list(limits), kept=list(kept), **more)


def count(limit_id: str, used: int, amount: int, until: float | None = None, value: str | None = "ada") -> Count:
    return [limit_id, value, used, amount, at(until) if until else None]


def each(used: int, amount: int = 20, until: float = 61) -> Count:
    return count("each", used, amount, until)


def all_(used: int) -> Count:
    return count("all", used, 15, value=None)


def files(used: int, until: float = HOUR) -> Count:
    return count("files", used, 5, until)


def spent(second: float, draw: Data, left: Data, *counts: Count, **usage: Any) -> Event:
    more: Data = {"usage": {"member": "ada", **usage}, "counts": list(counts)}
    if usage.get("member", "ada") is None:
        del more["usage"]
    return event(
        second, "CreditsDeducted", left, deduction_id="ded_6", amount=draw["amount"], draws=[draw], **_said(more)
    )


def _said(more: Data) -> Data:
    return {name: value for name, value in more.items() if value != []}


def captured(second: float, left: Data, *counts: Count, quantity: int = 1) -> Event:
    """Two of the hold of five, for good."""
    lots: Data = {"from_hold": [part("grt_3", 2)], "from_lots": [], "returns": [part("grt_3", 3, "returned")]}
    usage = {"member": "ada", "metric": "files", "quantity": quantity}
    named = {"hold_id": "hld_7", "deduction_id": "ded_8", "amount": 2, "final": True, "usage": usage}
    return event(second, "HoldCaptured", left, **named, **lots, **_said({"counts": list(counts)}))


def given_back(second: float, amount: int, left: Data, *counts: Count, deduction: str = "ded_6") -> Event:
    back = [part("grt_3", amount, "returned")]
    more = _said({"counts": list(counts)})
    return event(second, "DeductionReversed", left, deduction_id=deduction, amount=amount, returns=back, **more)


def metered(second: float, quantity: int, left: Data, *counts: Count, member: str = "ada") -> Event:
    usage = {"metric": "files", "member": member}
    more = _said({"counts": list(counts)})
    return event(second, "UsageMetered", left, metric="files", quantity=quantity, usage=usage, **more)


def allowed(second: float, left: Data, **said: Any) -> Event:
    return event(second, "AllowanceSet", left, limit_id="each", value="ada", **said)


LIMITED: list[Event] = [*OPENING, limits_set(0, EACH, ALL, FILES)]
USED: list[Event] = [*LIMITED, spent(1, part("grt_3", 8), balance(72, 40, 0, 10), each(8), all_(8))]
HELD: list[Event] = [
    *USED,
    event(
        2,
        "CreditsHeld",
        balance(72, 40, 5, 10),
        hold_id="hld_7",
        amount=5,
        draws=[part("grt_3", 5)],
        expires_at=at(5),
        usage={"member": "ada", "metric": "files", "quantity": 3},
        counts=[each(13), all_(13), files(3)],
    ),
]
CAPTURED: list[Event] = [*HELD, captured(3, balance(70, 40, 0, 10), each(10), all_(10), files(1))]
REVERSED: list[Event] = [*CAPTURED, given_back(4, 4, balance(74, 40, 0, 10), each(6), all_(6))]
LEFT = balance(74, 40, 0, 10)
METERED: list[Event] = [*REVERSED, metered(5, 4, LEFT, files(5))]
ALLOWED: list[Event] = [*METERED, allowed(5, LEFT, amount=30)]
OVER: list[Event] = [
    *ALLOWED,
    spent(6, part("grt_3", 20), balance(54, 40, 0, 10), each(26, 30), all_(26)),
]
LAPSED: list[Event] = [
    *OVER,
    lapsed(61, 4, 10, balance(50, 40, 0, 20)),
    lapsed(61, 50, 20, balance(0, 40), "grt_2"),
]
NEW_WINDOW: list[Event] = [*LAPSED, spent(61, part("grt_4", 1), balance(0, 39), each(1, 30, 121), all_(27))]
KEPT: list[Event] = [
    *USED,
    limits_set(2, limit("each", 9, period={"seconds": 60}), left=balance(72, 40, 0, 10), kept=("each",)),
]
BEGUN: list[Event] = [
    *OPENING,
    limits_set(0, ALL, counts=[all_(7)]),
    spent(1, part("grt_3", 2), balance(78, 40, 0, 10), all_(9)),
]
LATE: list[Event] = [
    *OPENING,
    spent(1, part("grt_3", 8), balance(72, 40, 0, 10)),
    limits_set(1, ALL, left=balance(72, 40, 0, 10)),
    given_back(2, 8, FULL),
]

GOOD = {
    "counters and their windows": NEW_WINDOW,
    "a limit that goes on": KEPT,
    "a limit that begins at something": BEGUN,
    "a use that is older than its limit": LATE,
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_stream(name: str) -> None:
    assert complaints(GOOD[name]) == []


WRONG: dict[str, tuple[str, list[Event]]] = {
    "a counter that stands still": (
        "counts nothing, and it had to be each/ada 8 of 20",
        [*LIMITED, spent(1, part("grt_3", 8), balance(72, 40, 0, 10))],
    ),
    "a counter that is left out": (
        "and it had to be",
        [*LIMITED, spent(1, part("grt_3", 8), balance(72, 40, 0, 10), each(8))],
    ),
    "a counter that does not add up": (
        "counts each/ada 7 of 20",
        [*LIMITED, spent(1, part("grt_3", 8), balance(72, 40, 0, 10), each(7), all_(8))],
    ),
    "a counter of somebody else": (
        "counts each/bob 8 of 20",
        [
            *LIMITED,
            spent(1, part("grt_3", 8), balance(72, 40, 0, 10), count("each", 8, 20, 61, "bob"), all_(8)),
        ],
    ),
    "a limit that is passed": (
        "passes each of ada: 21 of 20",
        [*LIMITED, spent(1, part("grt_3", 21), balance(59, 40, 0, 10), each(21), all_(21))],
    ),
    "a hold that passes a limit": (
        "passes each of ada: 21 of 20",
        [
            *USED,
            event(
                2,
                "CreditsHeld",
                balance(72, 40, 13, 10),
                hold_id="hld_7",
                amount=13,
                draws=[part("grt_3", 13)],
                expires_at=at(5),
                usage={"member": "ada"},
                counts=[each(21), all_(21)],
            ),
        ],
    ),
    "an allowance that is not heeded": (
        "counts each/ada 26 of 20",
        [*ALLOWED, spent(6, part("grt_3", 20), balance(54, 40, 0, 10), each(26, 20), all_(26))],
    ),
    "an allowance of a limit for all": (
        "which is for all",
        [*LIMITED, event(1, "AllowanceSet", FULL, limit_id="all", value="ada", amount=1)],
    ),
    "usage that nobody can count": (
        "does not name its member",
        [*LIMITED, spent(1, part("grt_3", 8), balance(72, 40, 0, 10), all_(8), member=None)],
    ),
    "a window that goes on after its end": (
        "counts each/ada 27 of 30",
        [*LAPSED, spent(61, part("grt_4", 1), balance(0, 39), each(27, 30), all_(27))],
    ),
    "a window that begins anew before its end": (
        "counts each/ada 5 of 20",
        [*USED, spent(2, part("grt_3", 5), balance(67, 40, 0, 10), each(5, until=62), all_(13))],
    ),
    "a window of another length": (
        "opens a window of each until",
        [*LIMITED, spent(1, part("grt_3", 8), balance(72, 40, 0, 10), each(8, until=60), all_(8))],
    ),
    "an hour that ends at no full hour": (
        "opens a window of files until",
        [*LIMITED, metered(1, 4, FULL, files(4, HOUR + 60))],
    ),
    "a window that never ends": (
        "opens a window of files until None",
        [*LIMITED, metered(1, 4, FULL, count("files", 4, 5))],
    ),
    "more metered than the limit": ("passes files of ada: 6 of 5", [*LIMITED, metered(1, 6, FULL, files(6))]),
    "nothing metered": ("meters 0 of files", [*LIMITED, metered(1, 0, FULL)]),
    "metered while frozen": (
        "spends from a frozen account",
        [*LIMITED, event(1, "AccountFrozen", FULL), metered(1, 1, FULL, files(1))],
    ),
    "a hold that keeps its counters when it is over": (
        "counts nothing, and it had to be each/ada 10 of 20",
        [*HELD, captured(3, balance(70, 40, 0, 10))],
    ),
    "a hold that gives back what was captured": (
        "counts each/ada 8 of 20",
        [*HELD, captured(3, balance(70, 40, 0, 10), each(8), all_(8), files(0))],
    ),
    "a hold that gives back units that were used": (
        "and it had to be each/ada 10 of 20",
        [*HELD, captured(3, balance(70, 40, 0, 10), each(10), all_(10), files(0), quantity=2)],
    ),
    "a reversal that gives nothing back": (
        "counts nothing, and it had to be each/ada 6 of 20",
        [*CAPTURED, given_back(4, 4, LEFT)],
    ),
    "a use that is older than its limit, given back": (
        "counts all/None 0 of 15",
        [*LATE[:-1], given_back(2, 8, FULL, all_(0))],
    ),
    "given back to a window that has ended": (
        "and it had to be all/None 24 of 15",
        [
            *LAPSED,
            event(
                61,
                "DeductionReversed",
                balance(0, 40),
                deduction_id="ded_8",
                amount=2,
                returns=[part("grt_3", 2, "lapsed")],
                counts=[each(24, 30), all_(24), files(4)],
            ),
        ],
    ),
    "a limit that begins anew without a reason": (
        "says that each begins anew",
        [*USED, limits_set(2, EACH, left=balance(72, 40, 0, 10))],
    ),
    "a limit that goes on and counts otherwise": (
        "says that each goes on",
        [*USED, limits_set(2, limit("each", 20), left=balance(72, 40, 0, 10), kept=("each",))],
    ),
    "a limit that never was and goes on": (
        "says that new goes on",
        [*OPENING, limits_set(0, limit("new", 1), kept=("new",))],
    ),
    "a limit of another source": (
        "takes each from another source",
        [
            *LIMITED,
            event(1, "LimitsSet", FULL, source="team", limits=[limit("each", 1, source="team")], kept=[]),
        ],
    ),
    "a limit that goes on somewhere else": (
        "begins all at",
        [*LIMITED, limits_set(1, EACH, ALL, FILES, kept=("each", "all", "files"), counts=[all_(3)])],
    ),
    "counts of what no limit counts": (
        "has counts",
        [*LIMITED, event(1, "AccountUpdated", FULL, counts=[all_(1)])],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_must_not_be_is_named(name: str) -> None:
    words, events = WRONG[name]
    found = complaints(events)
    assert any(words in sentence for sentence in found), found
    assert all(sentence.startswith(f"version {len(events)} of a ") for sentence in found), found
