"""What a document says: which events, which number, who sells, who buys. It asks projections and the log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from api.contract.problems import Problem, invalid
from api.http.documents.months import MonthWanted, too_long
from api.http.documents.parties import Letterhead, holder_of
from api.http.documents.press import Press, Ready
from api.http.queries.query import known_account
from api.http.queries.reads import Reads, reads_of
from audit.documents.document import Claims, Kind, Party
from audit.documents.making import MOST_EVENTS, PaymentWanted, payment_evidence, statement_evidence
from audit.documents.parts import Part, parts_of, piece_of
from audit.documents.payment_figures import MERCHANTS_OF_RECORD, PROVIDERS, SELLING
from audit.documents.printing import printer
from audit.statements.form import Period
from audit.statements.making import CannotMake, StatementRequest, TooLong, make
from billing.catalog import find
from billing.errors import BillingRefused
from billing.plans import Plan
from ledger.domain.errors import PaymentAmbiguous, PaymentNotFound, shown
from ledger.domain.events import DisputeRecorded, Event, PaymentRecorded, PaymentRefunded
from ledger.domain.related_events import payment_subject
from ledger.proof.evidence import CheckpointMismatch
from ledger.proof.files import FolderBusy
from ledger.proof.notes import BadNote
from ledger.proof.signing_key import CheckpointKeys, KeyMissing
from ledger.proof.status import checkpoint_keys_in
from ledger.proof.tree import HoleInLog
from ledger.proof.walk import Breach
from ledger.store import decode_event
from projections.models.balances.projection import BALANCES
from projections.models.payments.projection import PAYMENTS
from projections.models.payments.queries import DocumentedPayment
from projections.models.payments.queries import documented as documented_payments

_CANNOT_SIGN = (Breach, BadNote, CannotMake, CheckpointMismatch, FolderBusy, HoleInLog, KeyMissing, OSError)
_log = logging.getLogger("credit_ledger.documents")
MOST_OF_ACCOUNT = 20_000
"""Events of the statement of a whole account: its proof has a kilobyte for each."""


@dataclass(frozen=True, slots=True)
class PaymentOf:
    """The payment of an account; `provider` is needed when several have used the id."""

    account_id: str
    payment_id: str
    provider: str | None = None
    min_position: int = 0


class Documents:
    """Makes the documents of one process."""

    def __init__(self, signing: Path, checkpoints: Path, letterhead: Letterhead, press: Press) -> None:
        self._signing, self._checkpoints = signing, checkpoints
        self._letterhead = letterhead
        self.press = press
        self._keys: CheckpointKeys | None = None

    def title(self, provider: str) -> str:
        """What the document of a payment at a provider is called: an invoice where the seller of the settings sells."""
        return "Invoice" if provider in SELLING and self._letterhead.seller is not None else "Receipt"

    async def receipt(self, reads: Reads, wanted: PaymentOf) -> Ready:
        """The receipt of a payment, or its invoice where the seller of the settings sells.

        Raises AccountNotFound, PaymentNotFound, PaymentAmbiguous, Problem, NotYetVisible and NotBuilt.
        """
        found = await payment_of(reads, wanted)
        with _signing():
            return await self._receipt(reads, wanted, found)

    async def _receipt(self, reads: Reads, wanted: PaymentOf, found: DocumentedPayment) -> Ready:
        number = await self._number(reads, wanted.account_id, found)
        versions, keys = await _versions(reads, wanted, found), await self._checkpoint_keys(reads)
        events = PaymentWanted(wanted.account_id, found.provider, wanted.payment_id, versions)
        evident = await payment_evidence(reads.ledger.log, keys, events)
        holder = await _holder(reads, wanted.account_id, found.version)
        plan = await _plan_name(reads, found.plan)
        claims = Claims(self._letterhead.party, holder, printer(), number, plan, self._notes(found.provider))
        kind: Kind = "invoice" if number else "receipt"
        return await self.press.sign(f"{kind}-{number or wanted.payment_id}", kind, evident, claims)

    def _notes(self, provider: str) -> tuple[str, ...]:
        """What stands below the amounts. A receipt of a merchant of record says where the invoice is had."""
        if provider in MERCHANTS_OF_RECORD:
            return (f"The invoice is had from {PROVIDERS[provider]}: its mail about this purchase leads there.",)
        return self._letterhead.notes if provider in SELLING else ()

    async def statement(self, reads: Reads, account_id: str, wanted: MonthWanted) -> Ready:
        """The statement of an account for a month (UTC), or for a part of it. Time that is not over is told so far.

        Raises AccountNotFound, and Problem for a time that is too long, and for a piece that there is not.
        """
        await known_account(reads.ledger, account_id)
        log, period = reads.ledger.log, await _period(reads, account_id, wanted)
        with _signing():
            keys = await self._checkpoint_keys(reads)
            try:
                evident = await statement_evidence(log, keys, account_id, period, MOST_EVENTS)
            except TooLong:
                whole = wanted.piece is None
                parts = await parts_of(log, account_id, *wanted.bounds, MOST_EVENTS) if whole else [_same(wanted)]
                raise too_long(wanted, parts, MOST_EVENTS) from None
            newest = await reads.ledger.current.newest_event(account_id)
            assert newest is not None, "the account exists"
            holder = await _holder(reads, account_id, newest.version)
            claims = Claims(self._letterhead.party, holder, printer())
            return await self.press.sign(wanted.name, "statement", evident, claims)

    async def whole_statement(self, reads: Reads, account_id: str) -> bytes:
        """The signed statement of all events of an account, with the readable texts, as JSON. For its holder.

        Raises AccountNotFound, and Problem when there are too many events, or when it cannot be signed.
        """
        await known_account(reads.ledger, account_id)
        wanted = StatementRequest(account_id, Period(None, None), texts=True, most=MOST_OF_ACCOUNT)
        with _signing():
            return (await make(reads.ledger.log, await self._checkpoint_keys(reads), wanted, reads.clock())).file

    async def _number(self, reads: Reads, account_id: str, payment: DocumentedPayment) -> str | None:
        """The number of an invoice: the position at which the account was opened, which is a series of its own, and the
        place of the payment among those of the account that were paid in the same way. None for a receipt."""
        if self.title(payment.provider) == "Receipt":
            return None
        async with reads.ledger.log.reader() as reader:
            [first] = await reader.records_of(account_id, 0, 1)
        return f"{first.position}-{payment.place}"

    async def _checkpoint_keys(self, reads: Reads) -> CheckpointKeys:
        if self._keys is None:
            async with reads.ledger.log.connection() as connection:
                self._keys = await checkpoint_keys_in(connection, self._signing, self._checkpoints)
        return self._keys


@contextmanager
def _signing() -> Iterator[None]:
    """What keeps a document from being signed is for operators, who find it in /readyz too, and not for readers."""
    try:
        yield
    except TooLong as problem:
        detail = f"The statement has too many events: {problem}. `credit-ledger statement` takes more of them."
        raise Problem("statement_too_long", detail) from problem
    except _CANNOT_SIGN as problem:
        _log.error("a document cannot be signed: %s", problem)
        detail = "The document cannot be signed now: its proof is missing. An operator finds the reason in /readyz."
        raise Problem("document_unavailable", detail, retry_after=10) from problem


def documents_of(request: Request) -> Documents:
    """What makes the documents of this process."""
    found: Documents = request.app.state.documents
    return found


async def receipt_of(request: Request, wanted: PaymentOf) -> Ready:
    """The receipt of a payment, signed and not yet printed."""
    return await documents_of(request).receipt(reads_of(request), wanted)


async def statement_of(request: Request, account_id: str, wanted: MonthWanted) -> Ready:
    """The statement of a month, or of some of its days, signed and not yet printed."""
    return await documents_of(request).statement(reads_of(request), account_id, wanted)


async def payment_of(reads: Reads, wanted: PaymentOf) -> DocumentedPayment:
    """A payment that was paid. Raises AccountNotFound, PaymentNotFound, PaymentAmbiguous, Problem, NotYetVisible and
    NotBuilt."""
    async with reads.views.snapshot(PAYMENTS, BALANCES, at_least=wanted.min_position) as moment:
        rows = await documented_payments(moment, wanted.account_id, wanted.payment_id)
    found = [row for row in rows if wanted.provider in (None, row.provider)]
    if not found:
        await known_account(reads.ledger, wanted.account_id)
        raise PaymentNotFound(wanted.payment_id)
    if len(found) > 1:
        raise PaymentAmbiguous(wanted.payment_id, [row.provider for row in found])
    [payment] = found
    if not payment.paid:
        detail = f"Payment {shown(wanted.payment_id)!r} has no receipt: it is {payment.status}."
        raise Problem("not_paid", detail, payment_id=wanted.payment_id, payment_status=payment.status)
    return payment


async def _period(reads: Reads, account_id: str, wanted: MonthWanted) -> Period:
    """The time that is wanted, to the moment. Raises Problem for a piece that the days do not have."""
    begin, end = wanted.bounds
    if wanted.piece is None:
        return Period(begin, end)
    found = await piece_of(reads.ledger.log, account_id, begin, end, MOST_EVENTS, wanted.piece)
    if found is None:
        raise invalid("days", "there is no such piece of these days")
    return found


def _same(wanted: MonthWanted) -> Part:
    """What is wanted, as a part."""
    return Part(Period(*wanted.bounds), wanted.piece)


async def _versions(reads: Reads, wanted: PaymentOf, payment: DocumentedPayment) -> set[int]:
    """The versions of the events of a payment: it, its grants, its refunds and its disputes as they were reported."""
    async with reads.ledger.log.reader() as reader:
        rows = await reader.related_rows(wanted.account_id, [payment_subject(wanted.payment_id)], 2**62)
    about = {row.version: decode_event(row.topic, row.state) for row in rows}
    first = next(event.provider for event in about.values() if isinstance(event, PaymentRecorded))
    later = [version for version, event in about.items() if _reported_provider(event, first) == payment.provider]
    return {payment.version, *payment.grants, *later}


def _reported_provider(event: Event, first: str) -> str | None:
    """The provider that reported a refund or a dispute; an old refund is of the `first` one. None for other events."""
    match event:
        case PaymentRefunded():
            return event.provider or first
        case DisputeRecorded(changed_by=None):
            return event.provider
        case _:
            return None


async def _holder(reads: Reads, account_id: str, version: int) -> Party:
    now = await reads.ledger.current.of(account_id)
    return await holder_of(reads.ledger.log, account_id, version, now.account.profile if now else None)


async def _plan_name(reads: Reads, plan: str | None) -> str | None:
    """The name of a plan in the catalogue; None when it has none there."""
    if plan is None:
        return None
    async with reads.ledger.log.connection() as connection:
        with suppress(BillingRefused):
            body = (await find(connection, "plan", plan)).body
            return body.name if isinstance(body, Plan) else None
    return None
