"""The routes of the price book: its versions, and a new one."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from api.contract.answers.billing.prices import (
    PriceBookAnswer,
    PriceBooksAnswer,
    price_book_answer,
    version_fields,
)
from api.contract.billing_bodies import PriceBookBody
from api.contract.openapi import problem_response
from api.contract.validation import validated
from api.http.commands.command_endpoint import endpoint_of
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import Parameters, problems, problems_of
from api.http.queries.reads import reads_of
from api.http.requests.callers import caller_of
from api.http.requests.request import headers_of, read_body, read_json
from billing.prices import table
from billing.prices.current import CurrentPrices

router = APIRouter(route_class=AnswerRoute, tags=["billing"])
MAX_BOOK = 1024 * 1024
"""The size of a price book, in bytes."""
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]


class _Nothing(Parameters):
    pass


def prices_of(request: Request) -> CurrentPrices:
    """The prices of this process."""
    found: CurrentPrices = request.app.state.prices
    return found


def _body(name: str) -> dict[str, object]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.get(
    "/v1/price_books",
    responses=problems(401, 403, 422, 429, 500, 503),
    summary="All versions of the price book, the newest first",
)
async def price_books(request: Request, query: Annotated[_Nothing, Query()]) -> JsonAnswer[PriceBooksAnswer]:
    """Of the versions that have taken effect, the one that did so last is in force."""
    reads = reads_of(request)
    async with reads.ledger.log.connection() as connection:
        found = await table.versions(connection)
    current = table.in_force(found, reads.clock())
    answer: PriceBooksAnswer = {
        "in_force": None if current is None else current.version,
        "price_books": [version_fields(one) for one in found],
    }
    return JsonAnswer(answer)


@router.get(
    "/v1/price_books/{version}",
    responses=problems(401, 403, 422, 429, 500, 503) | problems_of("price_book_not_found"),
    summary="One version of the price book, with its rates",
)
async def price_book(
    request: Request, version: Version, query: Annotated[_Nothing, Query()]
) -> JsonAnswer[PriceBookAnswer]:
    """A version never changes: the price of an event names it, with its hash."""
    async with reads_of(request).ledger.log.connection() as connection:
        return JsonAnswer(price_book_answer(await table.find(connection, version)))


@router.post(
    "/v1/price_books",
    status_code=201,
    responses=problems(400, 401, 403, 413, 415, 422, 429, 500, 503)
    | {
        200: {"model": PriceBookAnswer, "description": "The price book is like this already"},
        409: problem_response(409, "effective_in_the_past"),
    },
    summary="Publish a new version of the price book",
    openapi_extra=_body("PriceBookBody"),
)
async def publish(request: Request, query: Annotated[_Nothing, Query()]) -> JsonAnswer[PriceBookAnswer]:
    """All rates at once. Other processes of the service price by it within a second.

    Two rates that are equally specific, and can match the same usage, are refused.
    """
    raw = await read_body(request.scope, headers_of(request.scope), request.receive, MAX_BOOK)
    body = await asyncio.to_thread(validated, PriceBookBody, read_json(raw))
    async with reads_of(request).ledger.log.connection() as connection:
        made = await table.publish(connection, body.document, body.effective_at, caller_of(request.scope).actor)
    await prices_of(request).refresh()
    told = {"x-request-id": endpoint_of(request).next_request_id()}
    return JsonAnswer(price_book_answer(made), 201 if made.is_new else 200, told)
