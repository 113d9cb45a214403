"""The earlier events that a decision needs and that the state of an account does not keep.

An account's state holds what is open. To reverse a deduction, void a grant, refund a payment, or explain how a hold
ended, a decision needs the earlier events about that one thing. `needed_subjects` names the things; the caller looks up
the events about them (`subject_of` says which thing an event is about, so that the store can index it) and passes them
to `decide` as RelatedEvents.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from ledger.domain.account import Account
from ledger.domain.commands import (
    CaptureHold,
    Command,
    DeductCredits,
    ExtendHold,
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
    CreditsGranted,
    CreditsHeld,
    CreditsReceived,
    CreditsSent,
    CreditsSentBack,
    DeductionReversed,
    Event,
    Events,
    Granted,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    PaymentRecorded,
    PaymentRefunded,
    TransferReversed,
)
from ledger.domain.limits import Counts
from ledger.domain.lots import Draws, total
from ledger.domain.usage import NO_USAGE, Usage, quantity_of

Ending = Literal["captured", "released", "expired"]


class EarlierDeduction(NamedTuple):
    """A deduction's draws, its reversals so far, and the hold that was captured, if it is a capture."""

    draws: Draws
    reversals: tuple[DeductionReversed, ...]
    hold_id: str | None = None

    @property
    def reversed(self) -> int:
        """The credits that are already reversed."""
        return sum([reversal.amount for reversal in self.reversals])


class CountedPart(NamedTuple):
    """A part of a use that limits counted at one version: where, how many credits, and how much of its metric."""

    version: int
    counts: Counts | None
    credits: int
    quantity: int


@dataclass(frozen=True, slots=True)
class RelatedEvents:
    """Earlier events of one account about the things that a command names, in stream order."""

    events: Events = ()

    def grant(self, grant_id: str) -> Granted | None:
        """The grant with this id; None when there is none."""
        found = (e for e in self.events if isinstance(e, Granted) and e.grant_id == grant_id)
        return next(found, None)

    def closed_grants(self) -> frozenset[str]:
        """The ids of the grants that were closed."""
        return frozenset(e.grant_id for e in self.events if isinstance(e, GrantVoided) and e.closed)

    def deduction(self, deduction_id: str) -> EarlierDeduction | None:
        """The deduction with this id, made by a deduction or a capture; None when there is none."""
        for event in self.events:
            if isinstance(event, CreditsDeducted | HoldCaptured) and event.deduction_id == deduction_id:
                hold_id = event.hold_id if isinstance(event, HoldCaptured) else None
                return EarlierDeduction(event.draws, self._reversals(deduction_id), hold_id)
        return None

    def counted(self, deduction_id: str) -> tuple[CountedPart, ...]:
        """The parts of a deduction that limits counted, in the order in which a reversal gives them back.

        What a capture took from its hold was counted when the hold was placed, and its excess with the capture.
        """
        held: CreditsHeld | None = None
        left = 0
        for event in self.events:
            if isinstance(event, CreditsDeducted) and event.deduction_id == deduction_id:
                return (CountedPart(_version(deduction_id), event.counts, event.amount, _quantity(event.usage)),)
            if isinstance(event, CreditsHeld):
                held, left = event, _quantity(event.usage)
            if isinstance(event, HoldCaptured):
                quantity = _quantity(event.usage)
                if event.deduction_id == deduction_id:
                    from_hold = min(quantity, left)
                    excess = total(event.from_lots), quantity - from_hold
                    own = CountedPart(_version(deduction_id), event.counts, *excess)
                    counts, version = (held.counts, _version(held.hold_id)) if held is not None else (None, 0)
                    return own, CountedPart(version, counts, total(event.from_hold), from_hold)
                left = max(left - quantity, 0)
        return ()

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

    def payment(self, payment_id: str) -> PaymentRecorded | None:
        """The payment with this id; None when there is none."""
        found = (e for e in self.events if isinstance(e, PaymentRecorded) and e.payment_id == payment_id)
        return next(found, None)

    def refunds(self, payment_id: str) -> tuple[PaymentRefunded, ...]:
        """All refunds of a payment."""
        return tuple(e for e in self.events if isinstance(e, PaymentRefunded) and e.payment_id == payment_id)

    def sent(self, transfer_id: str) -> CreditsSent | None:
        """The transfer with this id that the account sent; None when there is none."""
        found = (e for e in self.events if isinstance(e, CreditsSent) and e.transfer_id == transfer_id)
        return next(found, None)

    def received(self, from_account_id: str, transfer_id: str) -> tuple[CreditsReceived, ...]:
        """The lots that a transfer of another account brought."""
        subject = received_subject(from_account_id, transfer_id)
        return tuple(e for e in self.events if isinstance(e, CreditsReceived) and subject_of(e) == subject)

    def is_reversed(self, transfer_id: str) -> bool:
        """Whether a transfer that the account sent was reversed."""
        return any(isinstance(e, TransferReversed) and e.transfer_id == transfer_id for e in self.events)


NO_RELATED_EVENTS = RelatedEvents()


def _version(name: str) -> int:
    """The version in the id of a deduction or hold."""
    return int(name[4:])


def _quantity(usage: Usage | None) -> int:
    return quantity_of(usage or NO_USAGE)


def payment_subject(payment_id: str) -> str:
    """The subject of a payment. The prefix keeps a provider's ids apart from the ledger's own."""
    return f"pay_{payment_id}"


def received_subject(from_account_id: str, transfer_id: str) -> str:
    """The subject of what a transfer brought. Transfers have ids of their senders, so it names the sender too."""
    return f"rcv_{transfer_id}_{from_account_id}"


def subject_of(event: Event) -> str | None:
    """The earlier thing that an event is about; None when it only makes a new one, whose id contains its version."""
    if isinstance(event, CreditsDeducted):  # nearly every event is one
        return None
    match event:
        case HoldExtended() | HoldCaptured() | HoldReleased() | HoldExpired():
            return event.hold_id
        case DeductionReversed():
            return event.deduction_id
        case GrantVoided():
            return event.grant_id
        case PaymentRecorded() | PaymentRefunded():
            return payment_subject(event.payment_id)
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
        case RefundPayment():
            payment = known.payment(command.payment_id)
            grants = {payment.grant_id} if payment and payment.grant_id else set()
            return frozenset({payment_subject(command.payment_id), *grants})
        case RecordPayment():
            return frozenset({payment_subject(command.payment_id)})
        case ReverseTransfer():
            sent = known.sent(command.transfer_id)
            grants = {part.grant_id for part in sent.draws} if sent else set()
            return frozenset({command.transfer_id, *grants})
        case SendBack():
            return frozenset({received_subject(command.from_account_id, command.transfer_id)})
        case CaptureHold() | ExtendHold() | ReleaseHold() if command.hold_id not in account.holds:
            return frozenset({command.hold_id})
        case _:
            return frozenset()
