"""One event of every type with every field said, and one with as little as possible."""

from datetime import UTC, datetime, timedelta

from ledger.domain.amounts import Balance
from ledger.domain.events import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountReopened,
    AccountUnfrozen,
    AccountUpdated,
    AllowanceSet,
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsHeld,
    CreditsReceived,
    CreditsSent,
    CreditsSentBack,
    DeductionReversed,
    DisputeRecorded,
    Event,
    GrantExpiryChanged,
    GrantStarted,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    LimitsSet,
    PaymentRecorded,
    PaymentRefunded,
    SubscriptionRecorded,
    TextsErased,
    TransferReversed,
    UsageMetered,
)
from ledger.domain.holds import Awaited, Return
from ledger.domain.limits import Limit
from ledger.domain.lots import Draw
from ledger.domain.periods import CalendarPeriod, TimedPeriod
from ledger.domain.plans.subscribed import AllowanceOf, SubscriptionPayment
from ledger.domain.plans.terms import Interval, RollOver, Terms
from ledger.domain.pricing.price import FittingRate, Price, PriceLine
from ledger.store.records.codec import Metadata

AT = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
LATER = AT + timedelta(days=30)
SOME = Balance(300, 10_000, 50, LATER)
NONE = Balance(0, 0, 0, None)
DRAWS = (Draw("grt_3", "subscription", 120, LATER), Draw("grt_2", "permanent", 80, None))
RETURNS = (
    Return("grt_2", "permanent", 80, None, "returned"),
    Return("grt_3", "subscription", 20, AT, "lapsed"),
    Return("grt_4", "subscription", 5, LATER, "cancelled"),
)
COUNTS = (("month", "ada", 1_080, 5_000, LATER), ("pool", None, 2**53 - 1, 0, None))
PRICE = Price(
    3,
    "ab" * 32,
    250,
    "249.2",
    FittingRate("openai", "gpt-*", "*"),
    (
        PriceLine("per_unit", "1.2", "cached_tokens", 1_200, "1", 1_000),
        PriceLine("graduated", "0.5", "quantity", 3, "1/6", 1, 2),
        PriceLine("flat", "247"),
        PriceLine("minimum", "0.5"),
    ),
)
METADATA = Metadata("key:1a2b3c4d", "deduct", "task-abc123", "0f0f0f0f-7")
WITHOUT_KEY = Metadata("sweeper", "expire", None, "sweep")
TERMS = Terms("pro", 3, 1_000, Interval(1, "months"), Interval(12, "months"), RollOver(2_000, 1), 3_600, 2, 50)
FREE = {"naïve": ["é", 1, 2.5, None, True, {"b": 1, "a": "😀"}]}

SAMPLES: dict[str, Event] = {
    "AccountOpened": AccountOpened(AT, NONE, "user-1", FREE),
    "AccountOpened.least": AccountOpened(AT, NONE, "user-1"),
    "AccountOpened.labelled": AccountOpened(AT, NONE, "user-1", None, "A team", {"plan": "pro", "region": "eu"}),
    "AccountUpdated": AccountUpdated(AT, SOME, "A team", FREE, {"plan": "pro", "region": "eu"}, "asked for"),
    "AccountUpdated.least": AccountUpdated(AT, SOME),
    "CreditsGranted": CreditsGranted(
        AT, SOME, "grt_3", "subscription", 300, "subscription", LATER, "txn-1", "pi_1", "March", FREE
    ),
    "CreditsGranted.coming": CreditsGranted(
        AT, SOME, "grt_3", "subscription", 300, "subscription", LATER + LATER.resolution, effective_at=LATER
    ),
    "GrantStarted": GrantStarted(AT, SOME, "grt_3", "subscription", 300, "subscription", AT, LATER, "txn-1", "pi_1"),
    "GrantStarted.least": GrantStarted(AT, SOME, "grt_2", "permanent", 5, "topup", AT),
    "CreditsGranted.least": CreditsGranted(AT, SOME, "grt_2", "permanent", 2**53 - 1, "signup"),
    "CreditsDeducted": CreditsDeducted(
        AT,
        SOME,
        "ded_5",
        200,
        DRAWS,
        "task-abc123",
        "A picture of a cat",
        {"provider": "p", "model": "m", "project": "x", "member": "y", "metric": "z", "input_tokens": 3},
        FREE,
    ),
    "CreditsDeducted.measured": CreditsDeducted(
        AT,
        SOME,
        "ded_5",
        200,
        DRAWS,
        usage={"key": "k", "agent": "a", "metric": "z", "quantity": 7, "duration_ms": 1_250, "success": False},
        occurred_at=AT - timedelta(days=2, microseconds=1),
    ),
    "CreditsDeducted.priced": CreditsDeducted(
        AT, NONE, "ded_5", 200, DRAWS, usage={"model": "gpt-5", "cached_tokens": 1_200}, uncollected=50, price=PRICE
    ),
    "CreditsHeld.priced": CreditsHeld(AT, SOME, "hld_6", 250, DRAWS, LATER, usage={"model": "gpt-5"}, price=PRICE),
    "HoldCaptured.priced": HoldCaptured(
        AT, SOME, "hld_6", "ded_7", 250, DRAWS, DRAWS[1:], (), True, usage={"model": "gpt-5"}, price=PRICE
    ),
    "CreditsDeducted.short": CreditsDeducted(AT, NONE, "ded_5", 0, (), "task-abc123", uncollected=40),
    "CreditsDeducted.least": CreditsDeducted(AT, SOME, "ded_5", 200, DRAWS),
    "CreditsHeld": CreditsHeld(AT, SOME, "hld_6", 200, DRAWS, LATER, "task-1", "A long job"),
    "CreditsHeld.least": CreditsHeld(AT, SOME, "hld_6", 200, DRAWS, LATER),
    "HoldExtended": HoldExtended(AT, SOME, "hld_6", LATER),
    "HoldExtended.outliving": HoldExtended(AT, SOME, "hld_6", LATER, AT),
    "HoldCaptured": HoldCaptured(
        AT, SOME, "hld_6", "ded_7", 250, DRAWS, DRAWS[1:], RETURNS, True, "task-1", "A long job", {"model": "m"}
    ),
    "HoldCaptured.measured": HoldCaptured(
        AT,
        SOME,
        "hld_6",
        "ded_7",
        200,
        DRAWS,
        (),
        (),
        False,
        usage={"agent": "a", "quantity": 0, "success": True},
        occurred_at=AT,
    ),
    "HoldCaptured.short": HoldCaptured(AT, NONE, "hld_6", "ded_7", 280, DRAWS, DRAWS[1:], (), True, uncollected=20),
    "HoldCaptured.least": HoldCaptured(AT, SOME, "hld_6", "ded_7", 200, DRAWS, (), (), False),
    "HoldReleased": HoldReleased(AT, SOME, "hld_6", RETURNS),
    "HoldExpired": HoldExpired(AT, SOME, "hld_6", AT, RETURNS),
    "DeductionReversed": DeductionReversed(AT, SOME, "ded_5", 105, RETURNS, "it failed"),
    "DeductionReversed.waived": DeductionReversed(AT, SOME, "ded_5", 0, (), "billed", waived=40),
    "DeductionReversed.least": DeductionReversed(AT, SOME, "ded_5", 105, RETURNS),
    "GrantVoided": GrantVoided(AT, SOME, "grt_3", "subscription", 100, 5, True, "chargeback"),
    "GrantVoided.least": GrantVoided(AT, SOME, "grt_3", "subscription", 0, 0, False),
    "GrantExpiryChanged": GrantExpiryChanged(AT, SOME, "grt_3", "subscription", 20, LATER, AT, "a wrong month"),
    "GrantExpiryChanged.least": GrantExpiryChanged(AT, SOME, "grt_2", "permanent", 0),
    "GrantVoided.coming": GrantVoided(AT, SOME, "grt_3", "subscription", 100, 5, True, "chargeback", True),
    "CreditsExpired": CreditsExpired(AT, SOME, "grt_3", "subscription", 100, AT),
    "PaymentRecorded": PaymentRecorded(AT, SOME, "pi_1", "stripe", "paid", 1_000, "EUR", "pro", "grt_9"),
    "PaymentRecorded.several": PaymentRecorded(
        AT, SOME, "pi_1", "stripe", "paid", 1_000, "EUR", grant_ids=("grt_9", "grt_10")
    ),
    "PaymentRecorded.least": PaymentRecorded(AT, SOME, "pi_1", "stripe", "failed", 0, "EUR"),
    "PaymentRefunded": PaymentRefunded(AT, SOME, "pi_1", "re_1", 400, 900),
    "PaymentRefunded.provider": PaymentRefunded(AT, SOME, "pi_1", "re_1", 400, 900, "stripe"),
    "PaymentRecorded.subscription": PaymentRecorded(
        AT,
        SOME,
        "in_1",
        "stripe",
        "paid",
        2_000,
        "EUR",
        subscription=SubscriptionPayment("sub_1", "renewal", AT, AT, AT + timedelta(days=31), 2, TERMS),
        next_allowance_at=AT + timedelta(days=31),
    ),
    "CreditsGranted.allowance": CreditsGranted(
        AT,
        SOME,
        "grt_7",
        "subscription",
        1_000,
        "subscription",
        AT + timedelta(days=32),
        payment_id="in_1",
        allowance=AllowanceOf("sub_1", AT, AT + timedelta(days=31), next_at=AT + timedelta(days=31)),
    ),
    "GrantVoided.allowance": GrantVoided(
        AT, SOME, "grt_7", "subscription", 200, 50, False, "refund re_1", cause="allowance"
    ),
    "SubscriptionRecorded": SubscriptionRecorded(
        AT,
        SOME,
        "sub_1",
        "stripe",
        "trialing",
        TERMS,
        AT - timedelta(seconds=3),
        2,
        AT,
        AT + timedelta(days=31),
        AT + timedelta(days=31),
        "max",
        AT + timedelta(days=14),
        "in_1",
        AT + timedelta(days=14),
    ),
    "SubscriptionRecorded.least": SubscriptionRecorded(
        AT, SOME, "sub_1", "manual", "active", Terms("free", 1, 100, Interval(30, "days")), AT, 1
    ),
    "DisputeRecorded": DisputeRecorded(
        AT, SOME, "pi_1", "dp_1", "open", 1_000, "stripe", DRAWS, (), "hld_6", (Awaited("grt_9", 7),), "fraudulent"
    ),
    "DisputeRecorded.changed": DisputeRecorded(
        AT, SOME, "pi_1", "dp_1", "open", 1_000, "stripe", (), RETURNS, "hld_6", changed_by="refund re_1"
    ),
    "DisputeRecorded.lost": DisputeRecorded(AT, SOME, "pi_1", "dp_1", "lost", 600, "stripe", (), RETURNS, "hld_6"),
    "DisputeRecorded.least": DisputeRecorded(AT, SOME, "pi_1", "dp_1", "won", 600, "stripe", (), ()),
    "AccountFrozen": AccountFrozen(AT, SOME, "fraud?"),
    "AccountFrozen.least": AccountFrozen(AT, SOME),
    "AccountUnfrozen": AccountUnfrozen(AT, SOME, "no"),
    "AccountUnfrozen.least": AccountUnfrozen(AT, SOME),
    "AccountClosed": AccountClosed(AT, SOME, "bye"),
    "AccountClosed.least": AccountClosed(AT, SOME),
    "AccountReopened": AccountReopened(AT, SOME, "came back"),
    "AccountReopened.least": AccountReopened(AT, SOME),
    "AccountClosed.merged": AccountClosed(AT, SOME, "bye", "user-2"),
    "CreditsSent": CreditsSent(AT, SOME, "trf_8", "user-2", 200, DRAWS, "for the new team"),
    "CreditsSent.least": CreditsSent(AT, SOME, "trf_8", "user-2", 200, DRAWS),
    "CreditsReceived": CreditsReceived(
        AT,
        SOME,
        "grt_9",
        "subscription",
        120,
        "subscription",
        AT - timedelta(days=3),
        "trf_8",
        "user-1",
        "grt_3",
        "user-0",
        "grt_2",
        LATER,
        "for the new team",
    ),
    "CreditsReceived.least": CreditsReceived(
        AT, SOME, "grt_9", "permanent", 80, "topup", AT, "trf_8", "user-1", "grt_2", "user-1", "grt_2"
    ),
    "TransferReversed": TransferReversed(AT, SOME, "trf_8", "user-2", 105, RETURNS, "a mistake"),
    "TransferReversed.least": TransferReversed(AT, SOME, "trf_8", "user-2", 105, RETURNS),
    "CreditsSentBack": CreditsSentBack(AT, SOME, "trf_8", "user-1", 200, DRAWS, "a mistake"),
    "CreditsSentBack.least": CreditsSentBack(AT, SOME, "trf_8", "user-1", 200, DRAWS),
    "TextsErased": TextsErased(AT, SOME),
    "CreditsDeducted.counted": CreditsDeducted(AT, SOME, "ded_5", 200, DRAWS, usage={"member": "ada"}, counts=COUNTS),
    "CreditsHeld.counted": CreditsHeld(
        AT, SOME, "hld_6", 200, DRAWS, LATER, usage={"metric": "z", "member": "ada", "quantity": 4}, counts=COUNTS
    ),
    "HoldCaptured.counted": HoldCaptured(
        AT,
        SOME,
        "hld_6",
        "ded_7",
        200,
        DRAWS,
        (),
        (),
        True,
        usage={"quantity": 0, "metric": "z", "agent": "a", "key": "k"},
        counts=COUNTS,
    ),
    "HoldReleased.counted": HoldReleased(AT, SOME, "hld_6", RETURNS, COUNTS),
    "HoldExpired.counted": HoldExpired(AT, SOME, "hld_6", AT, RETURNS, COUNTS),
    "DeductionReversed.counted": DeductionReversed(AT, SOME, "ded_5", 105, RETURNS, counts=COUNTS),
    "LimitsSet": LimitsSet(
        AT,
        SOME,
        "plan",
        (
            Limit(
                "month",
                "plan",
                5_000,
                ("member",),
                (("model", "m"), ("project", "x")),
                "credits",
                CalendarPeriod("month", "Europe/Berlin", 31),
                True,
                (50, 80),
                {"bob": 7, "ada": 0},
            ),
            Limit("burst", "plan", 0, unit="rag_query", period=TimedPeriod(18_000), hard=False, near=()),
            Limit("pool", "plan", 2**53 - 1),
        ),
        ("pool",),
        COUNTS[:1],
    ),
    "LimitsSet.least": LimitsSet(AT, SOME, "plan", (), ()),
    "AllowanceSet": AllowanceSet(AT, SOME, "month", "ada", 0),
    "AllowanceSet.least": AllowanceSet(AT, SOME, "month", "ada"),
    "UsageMetered": UsageMetered(AT, NONE, "z", 5_678, {"metric": "z", "member": "y"}, COUNTS, "task-1"),
    "UsageMetered.back_dated": UsageMetered(AT, NONE, "z", 2, {"metric": "z"}, occurred_at=AT - timedelta(days=1)),
    "UsageMetered.least": UsageMetered(AT, NONE, "z", 1, {"metric": "z"}),
}
