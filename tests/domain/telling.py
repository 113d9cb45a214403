"""How the scenarios tell what happened: each event in a few words, a balance in six."""

from datetime import datetime

from ledger.domain.amounts import Balance
from ledger.domain.errors import Refusal
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
    Events,
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
from ledger.domain.holds import Fate, Returns
from ledger.domain.limits import Counts, named
from ledger.domain.lots import Draws
from ledger.domain.profile import Labels
from tests.domain.journal import DAY_ZERO

MOST_TOLD = 5
"""Names and counters that are told one by one."""
FATES: dict[Fate, str] = {"returned": "to", "lapsed": "lapsed", "cancelled": "cancelled"}


def tell(events: Events) -> str:
    """What happened, in order."""
    return "; ".join(map(_event, events)) or "nothing"


def tell_refusal(refusal: Refusal) -> str:
    """The code with the numbers that explain it, or the fields that are wrong."""
    if "errors" in refusal.facts:
        facts = ", ".join(error["field"] for error in refusal.facts["errors"])
    else:
        told = {name: fact for name, fact in refusal.facts.items() if name not in {"binding", "limits"}}
        if "binding" in refusal.facts:
            told["limit"] = refusal.facts["binding"]["limit_id"]
        facts = ", ".join(f"{name} {value}" for name, value in told.items())
    return f"refused {refusal.code} ({facts})"


def tell_balance(balance: Balance) -> str:
    """The two kinds, and how much of them is held."""
    return f"sub {balance.subscription} perm {balance.permanent} held {balance.held}"


def _event(event: Event) -> str:
    match event:
        case AccountOpened():
            return f"opened{_labels(event.labels)}"
        case AccountUpdated():
            texts = [name for name in ("description", "metadata") if getattr(event, name) is not None]
            return " ".join(["updated", *texts]) + _labels(event.labels)
        case CreditsGranted():
            starts = f" starts {_moment(event.effective_at)}" if event.effective_at else ""
            until = f" until {_moment(event.expires_at)}" if event.expires_at else ""
            return f"{event.grant_id} +{event.amount}{starts}{until}"
        case GrantStarted():
            until = f" until {_moment(event.expires_at)}" if event.expires_at else ""
            return f"{event.grant_id} +{event.amount} started on {_moment(event.effective_at)}{until}"
        case CreditsDeducted():
            drawn = f"{_draws(event.draws)}{_uncollected(event.uncollected)}"
            return f"{event.deduction_id} = {drawn}{_used(event.occurred_at)}{_counts(event.counts)}"
        case CreditsHeld():
            return f"{event.hold_id} = {_draws(event.draws)} until {_moment(event.expires_at)}{_counts(event.counts)}"
        case HoldExtended():
            beyond = f", beyond its lots on {_moment(event.lots_expire_at)}" if event.lots_expire_at else ""
            return f"{event.hold_id} until {_moment(event.expires_at)}{beyond}"
        case HoldCaptured():
            over = _returns(event.returns) if event.final else ", more later"
            drawn = f"{_draws(event.draws)}{_uncollected(event.uncollected)}"
            return f"{event.deduction_id} = {drawn}{over}{_used(event.occurred_at)}{_counts(event.counts)}"
        case HoldReleased():
            return f"released{_returns(event.returns)}{_counts(event.counts)}"
        case HoldExpired():
            expired = f"{event.hold_id} expired on {_moment(event.effective_at)}"
            return f"{expired}{_returns(event.returns)}{_counts(event.counts)}"
        case DeductionReversed():
            waived = f", {event.waived} waived" if event.waived else ""
            return f"reversed{waived}{_returns(event.returns)}{_counts(event.counts)}"
        case GrantVoided():
            closed = ", closed" if event.closed else ""
            uncollected = f", uncollected {event.uncollected}" if event.uncollected else ""
            coming = "coming " if event.coming else ""
            return f"voided {event.amount} of {coming}{event.grant_id}{uncollected}{closed}"
        case GrantExpiryChanged():
            back = f", {event.reinstated} reinstated" if event.reinstated else ""
            ends = _moment(event.previous_expires_at), _moment(event.expires_at)
            return f"{event.grant_id} until {ends[1]}, not {ends[0]}{back}"
        case CreditsExpired():
            return f"{event.grant_id} -{event.amount} lapsed on {_moment(event.effective_at)}"
        case PaymentRecorded():
            return f"{event.payment_id} {event.status}"
        case SubscriptionRecorded():
            return f"{event.subscription_id} {event.status}"
        case PaymentRefunded():
            return f"refunded {event.amount_minor}, in all {event.refunded_minor}"
        case DisputeRecorded() if event.changed_by is not None:
            more = f", {_draws(event.draws)} more" if event.draws else ""
            return f"{event.hold_id} changed by {event.changed_by}{more}{_returns(event.returns)}"
        case DisputeRecorded():
            held = f", {event.hold_id} = {_draws(event.draws)}" if event.hold_id and event.state == "open" else ""
            coming = "".join(f", later {one.amount} of {one.grant_id}" for one in event.awaits or ())
            return f"{event.dispute_id} {event.state} of {event.amount_minor}{held}{coming}{_returns(event.returns)}"
        case AccountFrozen():
            return "frozen"
        case AccountUnfrozen():
            return "unfrozen"
        case AccountClosed(successor=None):
            return "closed"
        case AccountClosed():
            return f"closed for {event.successor}"
        case CreditsSent():
            return f"{event.transfer_id} to {event.to_account_id} = {_draws(event.draws)}"
        case CreditsReceived(expires_at=None):
            return f"{event.grant_id} +{event.amount} of {event.from_account_id}"
        case CreditsReceived():
            return f"{event.grant_id} +{event.amount} of {event.from_account_id} until {_moment(event.expires_at)}"
        case TransferReversed():
            return f"{event.transfer_id} reversed{_returns(event.returns)}"
        case CreditsSentBack():
            return f"back to {event.from_account_id} = {_draws(event.draws)}"
        case AccountReopened():
            return "reopened"
        case TextsErased():
            return "texts erased"
        case LimitsSet():
            kept = f", {' '.join(event.kept)} as before" if event.kept else ""
            return (
                f"limits {_names([limit.limit_id for limit in event.limits]) or 'removed'}{kept}{_counts(event.counts)}"
            )
        case AllowanceSet():
            return f"allowance {event.value} {'removed' if event.amount is None else event.amount}"
        case UsageMetered():
            used = _used(event.occurred_at)
            return f"metered {event.quantity} {event.metric}{used}{_counts(event.counts)}"


def _names(names: list[str]) -> str:
    return " ".join(names) if len(names) <= MOST_TOLD else f"{names[0]} and {len(names) - 1} more"


def _counts(counts: Counts | None) -> str:
    if counts is not None and len(counts) > MOST_TOLD:
        return f", {len(counts)} counters"
    parts = (f", {one.limit_id} {one.value or ''}".rstrip() + f" {one.used}/{one.amount}" for one in named(counts))
    return "".join(parts)


def _labels(labels: Labels | None) -> str:
    return "" if labels is None else f" [{', '.join(f'{name}={value}' for name, value in labels.items())}]"


def _draws(draws: Draws) -> str:
    return " + ".join(f"{part.grant_id} {part.amount}" for part in draws) or "nothing"


def _uncollected(amount: int | None) -> str:
    return "" if amount is None else f", uncollected {amount}"


def _returns(returns: Returns) -> str:
    parts = (f", {part.amount} {FATES[part.fate]} {part.grant_id}" for part in returns)
    return "".join(parts)


def _used(at: datetime | None) -> str:
    return f", used on {_moment(at)}" if at else ""


def _moment(at: datetime | None) -> str:
    if at is None:
        return "never"
    since = at - DAY_ZERO
    hours = f" {at:%H:%M:%S}" if since.seconds else ""
    return f"day {since.days}{hours}"
