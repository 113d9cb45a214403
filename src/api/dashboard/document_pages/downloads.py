"""The documents of an account as files, for its holder and for operators."""

import re

from starlette.requests import Request
from starlette.responses import Response

from api.contract.problems import invalid
from api.dashboard.rendering import required_position
from api.http.documents.documents import PaymentOf, receipt_of
from api.http.documents.receipts import MONTH, check_begun, pdf_response, statement_response
from api.http.queries.query import now_of


async def receipt(request: Request) -> Response:
    """Send the receipt or the invoice of a payment. `provider` says whose payment it is."""
    ids, provider = request.path_params, request.query_params.get("provider")
    wanted = PaymentOf(ids["account_id"], ids["payment_id"], provider, required_position(request))
    return await pdf_response(request, await receipt_of(request, wanted))


async def statement(request: Request) -> Response:
    """Send the statement of the month that a form chose; of this month if it chose none."""
    now = now_of(request)
    month = request.query_params.get("month", f"{now:%Y-%m}")
    if not re.fullmatch(MONTH, month):
        raise invalid("month", "must be a month, such as 2026-10")
    check_begun(month, now)
    return await statement_response(request, request.path_params["account_id"], month)
