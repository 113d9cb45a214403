"""What each event changes in an account's total, by kind: what history, rollups and statistics are made of."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from ledger.domain.changes import Change, bucket_of, changes_of
from ledger.domain.events import DeductionReversed, Event, GrantVoided, HoldCaptured, HoldReleased
from ledger.domain.holds import Return
from ledger.domain.lots import Draw
from tests.store.samples import AT, LATER, SAMPLES, SOME

SUB = Draw("grt_2", "subscription", 30, LATER)
PERM = Draw("grt_3", "permanent", 12, None)


def back(kind: str, amount: int, fate: str) -> Return:
    return Return("grt_2", kind, amount, None, fate)  # type: ignore[arg-type]


NOTHING = [
    *("AccountOpened", "AccountUpdated", "AccountFrozen", "AccountUnfrozen", "AccountClosed", "AccountReopened"),
    *(
        "CreditsHeld",
        "HoldExtended",
        "GrantExpiryChanged.least",
        "PaymentRecorded",
        "PaymentRefunded",
        "TextsErased",
        "DisputeRecorded",
        "DisputeRecorded.least",
        "SubscriptionRecorded",
        "SubscriptionRecorded.least",
        "PaymentRecorded.subscription",
    ),
    *("LimitsSet", "AllowanceSet", "UsageMetered"),
]
"""Held credits are still the account's; money is not credits: grants and voids beside it are events of their own."""

OF_SAMPLES = {
    "CreditsGranted": [Change("grant", 300, 0)],
    "CreditsGranted.least": [Change("grant", 0, 2**53 - 1)],
    "CreditsGranted.coming": [],
    "GrantStarted": [Change("grant", 300, 0)],
    "CreditsGranted.allowance": [Change("grant", 1_000, 0)],
    "GrantVoided.allowance": [Change("void", -200, 0)],
    "CreditsDeducted": [Change("deduction", -120, -80)],
    "CreditsDeducted.short": [Change("deduction", 0, 0)],
    "HoldCaptured.short": [Change("capture", -120, -160)],
    "DeductionReversed.waived": [Change("reversal", 0, 0)],
    "HoldCaptured.least": [Change("capture", -120, -80)],
    "HoldReleased": [Change("expiry", -20, 0), Change("void", -5, 0)],
    "HoldExpired": [Change("expiry", -20, 0), Change("void", -5, 0)],
    "DeductionReversed": [Change("reversal", 25, 80), Change("expiry", -20, 0), Change("void", -5, 0)],
    "GrantVoided": [Change("void", -100, 0)],
    "GrantExpiryChanged": [Change("reinstatement", 20, 0)],
    "GrantVoided.coming": [],
    "CreditsExpired": [Change("expiry", -100, 0)],
    "DisputeRecorded.changed": [Change("expiry", -20, 0), Change("void", -5, 0)],
    "DisputeRecorded.lost": [Change("expiry", -20, 0), Change("void", -5, 0)],
    "CreditsSent": [Change("transfer", -120, -80)],
    "CreditsReceived": [Change("transfer", 120, 0)],
    "CreditsReceived.least": [Change("transfer", 0, 80)],
    "TransferReversed": [Change("transfer", 25, 80), Change("expiry", -20, 0), Change("void", -5, 0)],
    "CreditsSentBack": [Change("transfer", -120, -80)],
}


def captured(*, hold: tuple[Draw, ...], lots: tuple[Draw, ...] = (), returns: tuple[Return, ...] = ()) -> HoldCaptured:
    amount = sum(part.amount for part in hold + lots)
    return HoldCaptured(AT, SOME, "hld_4", "ded_5", amount, hold, lots, returns, True)


def reversed_to(*returns: Return) -> DeductionReversed:
    return DeductionReversed(AT, SOME, "ded_5", sum(part.amount for part in returns), returns)


CASES: dict[str, tuple[Event, list[Change]]] = {
    "a capture with an excess draws on the hold and on lots": (
        captured(hold=(SUB,), lots=(PERM, SUB)),
        [Change("capture", -60, -12)],
    ),
    "a capture that gives the rest back changes no more than it took": (
        captured(hold=(SUB,), returns=(back("permanent", 7, "returned"),)),
        [Change("capture", -30, 0)],
    ),
    "a capture whose rest lapses": (
        captured(hold=(PERM,), returns=(back("subscription", 7, "lapsed"), back("subscription", 1, "lapsed"))),
        [Change("capture", 0, -12), Change("expiry", -8, 0)],
    ),
    "a capture whose rest meets all three fates": (
        captured(
            hold=(SUB, PERM),
            returns=(
                back("subscription", 7, "lapsed"),
                back("permanent", 4, "cancelled"),
                back("subscription", 2, "returned"),
            ),
        ),
        [Change("capture", -30, -12), Change("expiry", -7, 0), Change("void", 0, -4)],
    ),
    "a release that is all returned": (HoldReleased(AT, SOME, "hld_4", (back("permanent", 9, "returned"),)), []),
    "a reversal that is all returned": (
        reversed_to(back("permanent", 9, "returned"), back("subscription", 2, "returned")),
        [Change("reversal", 2, 9)],
    ),
    "a reversal that lapses comes to nothing, and both are said": (
        reversed_to(back("subscription", 9, "lapsed")),
        [Change("reversal", 9, 0), Change("expiry", -9, 0)],
    ),
    "a reversal of which a part lapses and a part of each kind is cancelled": (
        reversed_to(
            back("permanent", 5, "cancelled"),
            back("subscription", 3, "cancelled"),
            back("subscription", 9, "lapsed"),
            back("permanent", 1, "returned"),
        ),
        [Change("reversal", 12, 6), Change("expiry", -9, 0), Change("void", -3, -5)],
    ),
    "a void of permanent credits": (
        GrantVoided(AT, SOME, "grt_3", "permanent", 8, 2, False),
        [Change("void", 0, -8)],
    ),
    "a void that found nothing": (GrantVoided(AT, SOME, "grt_3", "permanent", 0, 10, True), []),
}


@pytest.mark.parametrize("name", NOTHING)
def test_these_change_no_total(name: str) -> None:
    assert changes_of(SAMPLES[name]) == ()


@pytest.mark.parametrize("name", OF_SAMPLES)
def test_each_type(name: str) -> None:
    assert list(changes_of(SAMPLES[name])) == OF_SAMPLES[name]


@pytest.mark.parametrize("name", CASES)
def test_each_case(name: str) -> None:
    event, changes = CASES[name]
    assert list(changes_of(event)) == changes


def test_no_type_of_event_is_forgotten() -> None:
    here = {name.split(".")[0] for name in (*NOTHING, *OF_SAMPLES)}
    assert here == {kind.__name__ for kind in get_args(Event)}


@pytest.mark.parametrize(
    ("at", "bucket"),
    [
        ("00:00:00.000000", "00:00"),
        ("00:14:59.999999", "00:00"),
        ("00:15:00.000000", "00:15"),
        ("12:44:00.000001", "12:30"),
        ("23:59:59.999999", "23:45"),
    ],
)
def test_a_bucket_begins_at_its_quarter_and_ends_before_the_next(at: str, bucket: str) -> None:
    assert bucket_of(datetime.fromisoformat(f"2026-03-29T{at}+00:00")) == datetime.fromisoformat(
        f"2026-03-29T{bucket}+00:00"
    )


def test_a_bucket_is_one_of_utc() -> None:
    assert bucket_of(AT).tzinfo is UTC
    assert AT - timedelta(minutes=15) < bucket_of(AT) <= AT


def test_amounts_of_any_size_are_exact() -> None:
    largest = SUB._replace(amount=2**53 - 1)
    event = captured(hold=(largest,), lots=(largest, PERM))
    assert changes_of(event) == (Change("capture", -2 * (2**53 - 1), -12),)
