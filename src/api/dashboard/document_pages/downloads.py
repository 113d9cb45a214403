"""The documents of an account as files, for its holder and for operators."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.contract.problems import Problem
from api.dashboard.rendering import page, required_position
from api.http.documents.documents import PaymentOf, receipt_of
from api.http.documents.invoices import invoice_address
from api.http.documents.months import days_in_words, month_in
from api.http.documents.receipts import pdf_response, statement_response
from api.http.queries.query import now_of


async def receipt(request: Request) -> Response:
    """Send the receipt or the invoice of a payment. `provider` says whose payment it is."""
    return await pdf_response(request, await receipt_of(request, _wanted(request)))


async def invoice(request: Request) -> Response:
    """Lead to the invoice that the provider of a payment wrote, who sells in its own name."""
    _, url = await invoice_address(request, _wanted(request))
    return RedirectResponse(url, 303)


def _wanted(request: Request) -> PaymentOf:
    ids, provider = request.path_params, request.query_params.get("provider")
    return PaymentOf(ids["account_id"], ids["payment_id"], provider, required_position(request))


async def statement(request: Request) -> Response:
    """Send the statement of the month that a form chose; of this month if it chose none.

    One that is too long for a file is offered in parts.
    """
    account_id, query = request.path_params["account_id"], request.query_params
    wanted = month_in(query.get("month", f"{now_of(request):%Y-%m}"), query.get("days"))
    try:
        return await statement_response(request, account_id, wanted)
    except Problem as problem:
        if problem.code != "statement_too_long" or len(problem.facts["parts"]) == 1:
            raise
        files = {days: days_in_words(days) for days in problem.facts["parts"]}
        return await page(request, "statement_parts.html", account_id=account_id, month=wanted.month, files=files)
