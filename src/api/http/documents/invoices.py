"""The route of the invoices that payment providers write, who sell in their own name."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.contract.answers.billing.invoices import InvoiceAnswer
from api.http.documents.documents import PaymentOf, invoices_of, payment_of
from api.http.documents.receipts import PaymentId, WhosePayment
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import PROBLEMS, AccountId, problems_of
from api.http.queries.reads import reads_of
from billing.provider_invoices import Paid

router = APIRouter(route_class=AnswerRoute, tags=["queries"])
_REFUSED = problems_of(
    *("account_not_found", "payment_not_found", "not_yet_visible", "payment_ambiguous", "not_paid"),
    *("provider_cannot", "provider_failed"),
)


@router.get(
    "/v1/accounts/{account_id}/payments/{payment_id:path}/invoice",
    responses=PROBLEMS | _REFUSED,
    summary="Where the invoice of a payment is that the provider wrote",
)
async def invoice(
    request: Request, account_id: AccountId, payment_id: PaymentId, query: Annotated[WhosePayment, Query()]
) -> JsonAnswer[InvoiceAnswer]:
    """For payments at a merchant of record, which sells in its own name. The provider may be asked for the address."""
    wanted = PaymentOf(account_id, payment_id, query.provider, query.min_position)
    paid, url = await invoice_address(request, wanted)
    return JsonAnswer({"account_id": account_id, "payment_id": payment_id, "provider": paid.provider, "url": url})


async def invoice_address(request: Request, wanted: PaymentOf) -> tuple[Paid, str]:
    """A payment, and where its provider's invoice is.

    Raises what `payment_of` raises, ProviderCannot and ProviderFailed.
    """
    found = await payment_of(reads_of(request), wanted)
    paid = Paid(found.provider, wanted.payment_id)
    return paid, await invoices_of(request).address(paid)
