"""What a document says: which events, which number, who sells, who buys. It asks projections and the log."""

from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from api.contract.problems import Problem, invalid
from api.http.documents.bought_names import bought_name
from api.http.documents.months import MonthWanted, too_long
from api.http.documents.parties import Letterhead, holder_of
from api.http.documents.payment_records import payment_records
from api.http.documents.press import Press, Ready
from api.http.documents.signing import signing
from api.http.queries.query import known_account
from api.http.queries.reads import Reads, reads_of
from audit.documents.document import Claims, Kind, Party
from audit.documents.making import MOST_EVENTS, PaymentWanted, payment_evidence, statement_evidence
from audit.documents.parts import Part, parts_of, piece_of
from audit.documents.payment_figures import MERCHANTS_OF_RECORD, PROVIDERS, SELLING
from audit.documents.printing import printer
from audit.statements.form import Period
from audit.statements.making import StatementRequest, TooLong, make
from billing.provider_invoices import ProviderInvoices
from ledger.domain.errors import PaymentAmbiguous, PaymentNotFound, shown
from ledger.proof.signing_key import CheckpointKeys
from ledger.proof.status import checkpoint_keys_in
from projections.models.balances.projection import BALANCES
from projections.models.payments.projection import PAYMENTS
from projections.models.payments.queries import DocumentedPayment, documented_in, documented_question

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
        with signing():
            return await self._receipt(reads, wanted, found)

    async def _receipt(self, reads: Reads, wanted: PaymentOf, found: DocumentedPayment) -> Ready:
        number = await self._number(reads, wanted.account_id, found)
        events, holder = await payment_records(reads, wanted.account_id, wanted.payment_id, found)
        paid = PaymentWanted(wanted.account_id, found.provider, wanted.payment_id, events)
        evident = await payment_evidence(reads.ledger.log, await self._checkpoint_keys(reads), paid)
        plan = await bought_name(reads, wanted.account_id, found.plan, events)
        claims = Claims(self._letterhead.party, holder, printer(), number, plan, self._notes(found.provider))
        kind: Kind = "invoice" if number else "receipt"
        return Ready(f"{kind}-{number or wanted.payment_id}", kind, evident, claims)

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
        with signing():
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
            return Ready(wanted.name, "statement", evident, claims)

    async def whole_statement(self, reads: Reads, account_id: str) -> bytes:
        """The signed statement of all events of an account, with the readable texts, as JSON. For its holder.

        Raises AccountNotFound, and Problem when there are too many events, or when it cannot be signed.
        """
        await known_account(reads.ledger, account_id)
        wanted = StatementRequest(account_id, Period(None, None), texts=True, most=MOST_OF_ACCOUNT)
        with signing():
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


def invoices_of(request: Request) -> ProviderInvoices:
    """What knows where the invoices of providers are, in this process."""
    found: ProviderInvoices = request.app.state.invoices
    return found


def documents_of(request: Request) -> Documents:
    """What makes the documents of this process."""
    found: Documents = request.app.state.documents
    return found


async def receipt_of(request: Request, wanted: PaymentOf) -> Ready:
    """The receipt of a payment, not yet signed and printed."""
    return await documents_of(request).receipt(reads_of(request), wanted)


async def statement_of(request: Request, account_id: str, wanted: MonthWanted) -> Ready:
    """The statement of a month, or of some of its days, not yet signed and printed."""
    return await documents_of(request).statement(reads_of(request), account_id, wanted)


async def payment_of(reads: Reads, wanted: PaymentOf) -> DocumentedPayment:
    """A payment that was paid. Raises AccountNotFound, PaymentNotFound, PaymentAmbiguous, Problem, NotYetVisible and
    NotBuilt."""
    question = documented_question(wanted.account_id, wanted.payment_id)
    answered = await reads.views.ask((PAYMENTS, BALANCES), question, at_least=wanted.min_position)
    found = [row for row in documented_in(answered.rows[0]) if wanted.provider in (None, row.provider)]
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


async def _holder(reads: Reads, account_id: str, version: int) -> Party:
    now = await reads.ledger.current.of(account_id)
    return await holder_of(reads.ledger.log, account_id, version, now.account.profile if now else None)
