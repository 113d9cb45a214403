"""The routes of documents."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from api.contract.bodies import ONE_LINE
from api.http.cached_document import has_tag
from api.http.documents.documents import PaymentOf, documents_of, invoices_of, receipt_of, statement_of
from api.http.documents.months import DAYS, MONTH, MonthWanted, check_begun
from api.http.documents.press import Ready
from api.http.documents.signing import signing
from api.http.json_answer import AnswerRoute
from api.http.queries.query import PROBLEMS, AccountId, Parameters, Visible, now_of, problems, problems_of
from audit.documents.document import PaymentEvents
from audit.documents.payment_figures import MERCHANTS_OF_RECORD
from billing.provider_invoices import Paid
from ledger.domain.commands import MAX_ID

router = APIRouter(route_class=AnswerRoute, tags=["queries"])
PaymentId = Annotated[str, Path(min_length=1, max_length=MAX_ID, pattern=ONE_LINE)]
_NO_MORE: Mapping[str, str] = MappingProxyType({})
Month = Annotated[str, Path(pattern=MONTH, description="a month (UTC)", examples=["2026-10"])]
_NO_PDF = (
    *("overloaded", "unavailable", "storage_full", "projection_unavailable", "query_timeout"),
    "document_unavailable",
)
_RECEIPT = problems_of(
    "account_not_found", "payment_not_found", "not_yet_visible", "payment_ambiguous", "not_paid", *_NO_PDF
)
_STATEMENT = problems_of("account_not_found", "validation_failed", "statement_too_long", *_NO_PDF)
_PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "The document is the one whose `ETag` the request names in `If-None-Match`"},
}


class WhosePayment(Visible):
    """Whose payment it is."""

    provider: str | None = Field(
        None, min_length=1, max_length=MAX_ID, pattern=ONE_LINE, description="needed when several have used the id"
    )


class _PartOfMonth(Parameters):
    days: str | None = Field(
        None,
        pattern=DAYS,
        description="the first and the last day, such as 1-15, of a month that is too long for one file; 9-9/2 is the "
        "second piece of a day that is itself too long",
    )


@router.get(
    "/v1/accounts/{account_id}/payments/{payment_id:path}/receipt.pdf",
    response_class=Response,
    responses={**PROBLEMS, **_RECEIPT, **_PDF},
    summary="The receipt or the invoice of a payment, as PDF with its own proof",
)
async def receipt(
    request: Request, account_id: AccountId, payment_id: PaymentId, query: Annotated[WhosePayment, Query()]
) -> Response:
    """An invoice for a bank transfer, if the settings name the seller; a receipt for any other payment.

    `Link` leads to the invoice that the provider wrote, where that is the merchant of record and can be asked for it.
    """
    wanted = PaymentOf(account_id, payment_id, query.provider, query.min_position)
    ready = await receipt_of(request, wanted)
    return await pdf_response(request, ready, await _link(request, ready))


@router.get(
    "/v1/accounts/{account_id}/statements/{month}.pdf",
    response_class=Response,
    responses={**problems(401, 403, 404, 429, 500), **_STATEMENT, **_PDF},
    summary="The statement of a month, as PDF with its own proof",
)
async def statement(
    request: Request, account_id: AccountId, month: Month, query: Annotated[_PartOfMonth, Query()]
) -> Response:
    """A month that is not over is told so far; one that has not begun is refused."""
    return await statement_response(request, account_id, MonthWanted(month, query.days))


async def statement_response(request: Request, account_id: str, wanted: MonthWanted) -> Response:
    """The statement of a month, or of some of its days, as soon as there is room for it. Raises Problem."""
    check_begun(wanted, now_of(request))
    async with documents_of(request).press.room_for_statement():
        return await pdf_response(request, await statement_of(request, account_id, wanted))


async def _link(request: Request, ready: Ready) -> dict[str, str]:
    """The header that leads from our receipt to the invoice of the provider that sold; empty where there is none."""
    evidence = ready.evident.evidence
    if not isinstance(evidence, PaymentEvents) or evidence.provider not in MERCHANTS_OF_RECORD:
        return {}
    if not await invoices_of(request).linked([Paid(evidence.provider, evidence.payment_id)]):
        return {}
    return {"link": f'<invoice?provider={evidence.provider}>; rel="related"'}


async def pdf_response(request: Request, ready: Ready, more: Mapping[str, str] = _NO_MORE) -> Response:
    """The answer with `more` headers: the PDF, or 304 if the client has it."""
    known = request.headers.get("if-none-match", "")
    with signing():
        printed = await documents_of(request).press.printed(ready, lambda tag: has_tag(known, tag))
    headers = {"etag": printed.tag, "cache-control": "private, no-cache", **more}
    if printed.pdf is None:
        return Response(status_code=304, headers=headers)
    name = "".join(one if one.isascii() and (one.isalnum() or one in "._-") else "_" for one in ready.name)
    headers["content-disposition"] = f'attachment; filename="{name[:100]}.pdf"'
    return Response(printed.pdf, media_type="application/pdf", headers=headers)
