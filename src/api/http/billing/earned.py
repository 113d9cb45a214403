"""The route of deferred revenue: what of the money is earned, and what is still owed as credits, for operators."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.contract.answers.billing.money import EarnedAnswer, earned_month
from api.contract.problems import Problem
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import Parameters, problems
from api.http.queries.reads import reads_of
from audit.revenue.reading import KnownRevenue, RevenueReading, StillReading

router = APIRouter(route_class=AnswerRoute, tags=["billing"])


class _Nothing(Parameters):
    pass


@router.get(
    "/v1/revenue/deferred",
    responses=problems(401, 403, 422, 429, 500, 503),
    summary="Deferred revenue, revenue and breakage by month",
)
async def earned(request: Request, query: Annotated[_Nothing, Query()]) -> JsonAnswer[EarnedAnswer]:
    """For operators and accountants. Months are in UTC, by the time of recording.

    The first request reads the whole log. It is answered with 503 until that is done; ask again.
    """
    try:
        found = await earned_so_far(request)
    except StillReading as error:
        raise still_reading(error) from error
    return JsonAnswer(
        {"as_of_position": found.position, "as_of": found.at, "months": [earned_month(one) for one in found.months]}
    )


async def earned_so_far(request: Request) -> KnownRevenue:
    """The months up to now. Raises StillReading."""
    reading: RevenueReading = request.app.state.revenue
    return await reading.known(reads_of(request).clock())


def still_reading(error: StillReading) -> Problem:
    """The problem of a request that comes while the log is read."""
    detail = f"The revenue is being added up from the log: {error.position} of {error.upto} events are read. Ask again."
    return Problem("projection_unavailable", detail, retry_after=5)
