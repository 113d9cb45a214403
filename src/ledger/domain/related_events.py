"""The earlier events that a decision needs and that the state of an account does not keep.

An account's state holds what is open. To reverse a deduction, void a grant, refund a payment, or explain how a hold
ended, a decision needs the earlier events about that one thing. `needed_subjects` names the things; the caller looks up
the events about them (`subject_of` says which thing an event is about, so that the store can index it) and passes them
to `decide` as RelatedEvents.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

from ledger.domain.account import Account
from ledger.domain.commands import (
    CaptureHold,
    ChangeGrantExpiry,
    Command,
    DeductCredits,
    ExtendHold,
    RecordDispute,
    RecordPayment,
    RefundPayment,
    ReleaseHold,
    ReverseDeduction,
    ReverseTransfer,
    SendBack,
    VoidGrant,
)
from ledger.domain.events import (
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
    Granted,
    GrantExpiryChanged,
    GrantStarted,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    PaymentRecorded,
    PaymentRefunded,
    SubscriptionRecorded,
    TransferReversed,
)
from ledger.domain.limits import Counts
from ledger.domain.lots import Draws, total
from ledger.domain.usage import NO_USAGE, Usage, quantity_of

Ending = Literal["captured", "released", "expired"]


class EarlierDeduction(NamedTuple):
    """A deduction's draws with the expiries that their lots have now, its reversals, and the hold of a capture."""

    draws: Draws
    reversals: tuple[DeductionReversed, ...]
    hold_id: str | None = None
    uncollected: int = 0

    @property
    def reversed(self) -> int:
        """The credits that are already reversed."""
        return sum([reversal.amount for reversal in self.reversals])

    @property
    def owed(self) -> int:
        """The credits that were uncollected and are not waived."""
        return self.uncollected - self.waived

    @property
    def waived(self) -> int:
        """The credits that were uncollected and are waived."""
        return sum([reversal.waived or 0 for reversal in self.reversals])


class CountedPart(NamedTuple):
    """A part of a use that limits counted at one version: where, how many credits, and how much of its metric."""

    version: int
    counts: Counts | None
    credits: int
    quantity: int


@dataclass(frozen=True, slots=True)
class RelatedEvents:
    """Earlier events of one account about the things that a command names, in stream order.

    `claimed_by` is another account that has recorded the payment which the command records.
    """

    events: Events = ()
    claimed_by: str | None = None

    def after(self, more: Events) -> "RelatedEvents":
        """These and later events."""
        return replace(self, events=self.events + more)

    def grant(self, grant_id: str) -> Granted | None:
        """The grant with this id, with the expiry that its lot has now; None when there is none."""
        for event in self.events:
            if isinstance(event, Granted) and event.grant_id == grant_id:
                expiries = self._changed_expiries()
                return replace(event, expires_at=expiries[grant_id]) if grant_id in expiries else event
        return None

    def _changed_expiries(self) -> dict[str, datetime | None]:
        """The expiries of the grants whose expiry was changed."""
        return {e.grant_id: e.expires_at for e in self.events if isinstance(e, GrantExpiryChanged)}

    def lapsed(self, grant_id: str) -> int:
        """The credits of a grant that lapsed and were not reinstated; it needs the events of `lapses_subject`."""
        return sum(lapsed_credits(event).get(grant_id, 0) for event in self.events)

    def closed_grants(self) -> frozenset[str]:
        """The ids of the grants that were closed."""
        return frozenset(e.grant_id for e in self.events if isinstance(e, GrantVoided) and e.closed)

    def deduction(self, deduction_id: str) -> EarlierDeduction | None:
        """The deduction with this id, made by a deduction or a capture; None when there is none."""
        for event in self.events:
            if isinstance(event, CreditsDeducted | HoldCaptured) and event.deduction_id == deduction_id:
                hold_id = event.hold_id if isinstance(event, HoldCaptured) else None
                reversals = self._reversals(deduction_id)
                draws = self._as_of_now(event.draws)
                return EarlierDeduction(draws, reversals, hold_id, event.uncollected or 0)
        return None

    def counted(self, deduction_id: str) -> tuple[CountedPart, ...]:
        """The parts of a deduction that limits counted, in the order in which a reversal gives them back.

        What was uncollected comes first: no limit counted its credits. What a capture took from its hold was counted
        when the hold was placed, and its excess with the capture.
        """
        held: CreditsHeld | None = None
        left = 0
        for event in self.events:
            if isinstance(event, CreditsDeducted) and event.deduction_id == deduction_id:
                own = CountedPart(_version(deduction_id), event.counts, event.amount, _quantity(event.usage))
                return _uncounted(event), own
            if isinstance(event, CreditsHeld):
                held, left = event, _quantity(event.usage)
            if isinstance(event, HoldCaptured):
                quantity = _quantity(event.usage)
                if event.deduction_id == deduction_id:
                    from_hold = min(quantity, left)
                    excess = total(event.from_lots), quantity - from_hold
                    own = CountedPart(_version(deduction_id), event.counts, *excess)
                    counts, version = (held.counts, _version(held.hold_id)) if held is not None else (None, 0)
                    return _uncounted(event), own, CountedPart(version, counts, total(event.from_hold), from_hold)
                left = max(left - quantity, 0)
        return ()

    def _as_of_now(self, draws: Draws) -> Draws:
        expiries = self._changed_expiries()
        if not expiries:
            return draws
        return tuple([part._replace(expires_at=expiries.get(part.grant_id, part.expires_at)) for part in draws])

    def _reversals(self, deduction_id: str) -> tuple[DeductionReversed, ...]:
        return tuple(e for e in self.events if isinstance(e, DeductionReversed) and e.deduction_id == deduction_id)

    def hold_ending(self, hold_id: str) -> Ending | None:
        """How a hold that is no longer open ended; None when there never was such a hold."""
        for event in self.events:
            match event:
                case HoldCaptured(hold_id=name, final=True) if name == hold_id:
                    return "captured"
                case HoldReleased(hold_id=name) if name == hold_id:
                    return "released"
                case HoldExpired(hold_id=name) if name == hold_id:
                    return "expired"
                case _:
                    pass
        return None

    def payments(self, payment_id: str) -> tuple[PaymentRecorded, ...]:
        """The payments with this id, one of each provider as it was last recorded; the oldest provider first."""
        found = [e for e in self.events if isinstance(e, PaymentRecorded) and e.payment_id == payment_id]
        return tuple({payment.provider: payment for payment in found}.values())

    def payment(self, provider: str, payment_id: str) -> PaymentRecorded | None:
        """The payment with this id of a provider, as it was last recorded; None when there is none."""
        return next((payment for payment in self.payments(payment_id) if payment.provider == provider), None)

    def refunds(self, payment: PaymentRecorded) -> tuple[PaymentRefunded, ...]:
        """All refunds of a payment."""
        payment_id = payment.payment_id
        first = self.payments(payment_id)[0].provider
        refunds = [e for e in self.events if isinstance(e, PaymentRefunded) and e.payment_id == payment_id]
        return tuple(refund for refund in refunds if (refund.provider or first) == payment.provider)

    def refunded_payment(self, refund: PaymentRefunded) -> PaymentRecorded | None:
        """The payment of a refund; None when there is none."""
        if refund.provider is not None:
            return self.payment(refund.provider, refund.payment_id)
        return next(iter(self.payments(refund.payment_id)), None)

    def refunded_minor(self, payment: PaymentRecorded) -> int:
        """The money of a payment that was refunded."""
        return sum(refund.amount_minor for refund in self.refunds(payment))

    def disputes(self, payment: PaymentRecorded) -> dict[str, DisputeRecorded]:
        """All disputes of a payment by their ids, each as it was last recorded."""
        name = payment.provider, payment.payment_id
        found = [e for e in self.events if isinstance(e, DisputeRecorded) and (e.provider, e.payment_id) == name]
        return {dispute.dispute_id: dispute for dispute in found}

    def lost_minor(self, payment: PaymentRecorded) -> int:
        """The money of a payment that was lost in disputes."""
        return sum(one.amount_minor for one in self.disputes(payment).values() if one.state == "lost")

    def dispute_holding(self, hold_id: str) -> DisputeRecorded | None:
        """The opening of the dispute that holds, or held, credits under this id; None when there is none."""
        return next((e for e in self.events if isinstance(e, DisputeRecorded) and made_by(e) == hold_id), None)

    def sent(self, transfer_id: str) -> CreditsSent | None:
        """The transfer with this id that the account sent, its draws with the expiries that their lots have now."""
        for event in self.events:
            if isinstance(event, CreditsSent) and event.transfer_id == transfer_id:
                return replace(event, draws=self._as_of_now(event.draws))
        return None

    def received(self, from_account_id: str, transfer_id: str) -> tuple[CreditsReceived, ...]:
        """The lots that a transfer of another account brought, with the expiries that they have now."""
        subject, now = received_subject(from_account_id, transfer_id), self._changed_expiries()
        found = [e for e in self.events if isinstance(e, CreditsReceived) and subject_of(e) == subject]
        return tuple([replace(e, expires_at=now[e.grant_id]) if e.grant_id in now else e for e in found])

    def is_reversed(self, transfer_id: str) -> bool:
        """Whether a transfer that the account sent was reversed."""
        return any(isinstance(e, TransferReversed) and e.transfer_id == transfer_id for e in self.events)


NO_RELATED_EVENTS = RelatedEvents()


def _uncounted(event: CreditsDeducted | HoldCaptured) -> CountedPart:
    """What a deduction could not collect, of which no limit counted credits."""
    return CountedPart(_version(event.deduction_id), None, event.uncollected or 0, 0)


def _version(name: str) -> int:
    """The version in the id of a deduction or hold."""
    return int(name[4:])


def _quantity(usage: Usage | None) -> int:
    return quantity_of(usage or NO_USAGE)


def payment_subject(payment_id: str) -> str:
    """The subject of a payment. The prefix keeps a provider's ids apart from the ledger's own."""
    return f"pay_{payment_id}"


def subscription_subject(subscription_id: str) -> str:
    """The subject of a subscription."""
    return f"sub_{subscription_id}"


def received_subject(from_account_id: str, transfer_id: str) -> str:
    """The subject of what a transfer brought. Transfers have ids of their senders, so it names the sender too."""
    return f"rcv_{transfer_id}_{from_account_id}"


def lapses_subject(grant_id: str) -> str:
    """The subject of all events in which credits of a grant lapsed or were reinstated; an event may have several."""
    return f"lps_{grant_id[4:]}"


def lapsed_credits(event: Event) -> dict[str, int]:
    """The credits that lapsed in an event, by grant; what was reinstated is negative."""
    match event:
        case CreditsExpired():
            return {event.grant_id: event.amount}
        case GrantExpiryChanged():
            return {event.grant_id: -event.reinstated}
        case (
            HoldCaptured()
            | HoldReleased()
            | HoldExpired()
            | DeductionReversed()
            | TransferReversed()
            | DisputeRecorded()
        ):
            lapsed: dict[str, int] = {}
            for part in event.returns:
                if part.fate == "lapsed":
                    lapsed[part.grant_id] = lapsed.get(part.grant_id, 0) + part.amount
            return lapsed
        case _:
            return {}


def names_of(event: Event) -> set[str]:
    """All subjects under which an event is looked up."""
    names = {name for name in (made_by(event), subject_of(event)) if name is not None}
    return names.union(map(lapses_subject, lapsed_credits(event)))


def subject_of(event: Event) -> str | None:
    """The earlier thing that an event is about; None when it only makes a new one, whose id contains its version."""
    if isinstance(event, CreditsDeducted):  # nearly every event is one
        return None
    match event:
        case HoldExtended() | HoldCaptured() | HoldReleased() | HoldExpired():
            return event.hold_id
        case DeductionReversed():
            return event.deduction_id
        case GrantVoided() | GrantStarted() | GrantExpiryChanged():
            return event.grant_id
        case PaymentRecorded() | PaymentRefunded() | DisputeRecorded():
            return payment_subject(event.payment_id)
        case SubscriptionRecorded():
            return subscription_subject(event.subscription_id)
        case CreditsReceived() | CreditsSentBack():
            return received_subject(event.from_account_id, event.transfer_id)
        case TransferReversed():
            return event.transfer_id
        case _:
            return None


def made_by(event: Event) -> str | None:
    """The id of the grant, deduction, hold or transfer that an event made; None when it made none."""
    match event:
        case CreditsGranted() | CreditsReceived():
            return event.grant_id
        case CreditsDeducted() | HoldCaptured():
            return event.deduction_id
        case CreditsHeld():
            return event.hold_id
        case DisputeRecorded(state="open", changed_by=None):
            return event.hold_id
        case CreditsSent():
            return event.transfer_id
        case _:
            return None


def needed_subjects(command: Command, account: Account | None, known: RelatedEvents) -> frozenset[str]:
    """The things whose events `decide` needs, as far as the `known` events show them.

    The caller looks their events up and calls again with them, until the answer no longer grows.
    """
    if account is None or isinstance(command, DeductCredits):
        return frozenset()
    match command:
        case ReverseDeduction():
            deduction = known.deduction(command.deduction_id)
            names = {part.grant_id for part in deduction.draws} if deduction else set()
            if deduction is not None and deduction.hold_id is not None and account.limits is not None:
                names.add(deduction.hold_id)
            return frozenset({command.deduction_id, *names})
        case VoidGrant():
            return frozenset({command.grant_id})
        case ChangeGrantExpiry():
            lapses = {lapses_subject(command.grant_id)} if command.reinstate else set()
            return frozenset({command.grant_id, *lapses})
        case RefundPayment() | RecordDispute():
            payments, allowances = known.payments(command.payment_id), account.subscriptions.granted_by
            grants = {name for one in payments for name in one.bought or allowances(one.provider, one.payment_id)}
            return frozenset({payment_subject(command.payment_id), *grants})
        case RecordPayment():
            return frozenset({payment_subject(command.payment_id)})
        case ReverseTransfer():
            sent = known.sent(command.transfer_id)
            grants = {part.grant_id for part in sent.draws} if sent else set()
            return frozenset({command.transfer_id, *grants})
        case SendBack():
            lots = known.received(command.from_account_id, command.transfer_id)
            names = {lot.grant_id for lot in lots}
            return frozenset({received_subject(command.from_account_id, command.transfer_id), *names})
        case CaptureHold() | ExtendHold() | ReleaseHold() if command.hold_id not in account.holds:
            return frozenset({command.hold_id})
        case _:
            return frozenset()
