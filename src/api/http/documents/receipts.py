"""The routes of documents."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from api.contract.bodies import ONE_LINE
from api.contract.problems import invalid
from api.http.cached_document import has_tag
from api.http.documents.documents import PaymentOf, documents_of, receipt_of, statement_of
from api.http.documents.press import Ready
from api.http.json_answer import AnswerRoute
from api.http.queries.query import PROBLEMS, AccountId, Parameters, Visible, now_of, problems, problems_of
from ledger.domain.commands import MAX_ID

router = APIRouter(route_class=AnswerRoute, tags=["queries"])
PaymentId = Annotated[str, Path(min_length=1, max_length=MAX_ID, pattern=ONE_LINE)]
MONTH = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"
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


class _Receipt(Visible):
    provider: str | None = Field(
        None, min_length=1, max_length=MAX_ID, pattern=ONE_LINE, description="needed when several have used the id"
    )


class _Nothing(Parameters):
    pass


@router.get(
    "/v1/accounts/{account_id}/payments/{payment_id:path}/receipt.pdf",
    response_class=Response,
    responses={**PROBLEMS, **_RECEIPT, **_PDF},
    summary="The receipt or the invoice of a payment, as PDF with its own proof",
)
async def receipt(
    request: Request, account_id: AccountId, payment_id: PaymentId, query: Annotated[_Receipt, Query()]
) -> Response:
    """An invoice for a bank transfer, if the settings name the seller; a receipt for any other payment."""
    wanted = PaymentOf(account_id, payment_id, query.provider, query.min_position)
    return await pdf_response(request, await receipt_of(request, wanted))


@router.get(
    "/v1/accounts/{account_id}/statements/{month}.pdf",
    response_class=Response,
    responses={**problems(401, 403, 404, 429, 500), **_STATEMENT, **_PDF},
    summary="The statement of a month, as PDF with its own proof",
)
async def statement(
    request: Request, account_id: AccountId, month: Month, query: Annotated[_Nothing, Query()]
) -> Response:
    """A month that is not over is told so far; one that has not begun is refused."""
    check_begun(month, now_of(request))
    return await statement_response(request, account_id, month)


async def statement_response(request: Request, account_id: str, month: str) -> Response:
    """The statement of a month, as soon as there is room for it."""
    async with documents_of(request).press.room_for_statement():
        return await pdf_response(request, await statement_of(request, account_id, month))


def check_begun(month: str, now: datetime) -> None:
    """Refuse a month that has not begun. Raises Problem."""
    if month > f"{now:%Y-%m}":
        raise invalid("month", "must not be in the future")


async def pdf_response(request: Request, ready: Ready) -> Response:
    """The answer: the PDF, or 304 if the client has it."""
    headers = {"etag": ready.tag, "cache-control": "private, no-cache"}
    if has_tag(request.headers.get("if-none-match", ""), ready.tag):
        return Response(status_code=304, headers=headers)
    name = "".join(one if one.isascii() and (one.isalnum() or one in "._-") else "_" for one in ready.name)
    headers["content-disposition"] = f'attachment; filename="{name[:100]}.pdf"'
    pdf = await documents_of(request).press.pdf(ready)
    return Response(pdf, media_type="application/pdf", headers=headers)
