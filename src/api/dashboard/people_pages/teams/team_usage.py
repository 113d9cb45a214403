"""The page of a team's usage: who spent what."""

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.people_pages.teams.acting import team_of, teams_of
from api.dashboard.rendering import formatter_of, page
from api.http.people.teams.usage import Span, first_of, team_usage_of
from api.http.queries.periods import Period
from api.http.queries.reads import reads_of

_SPANS: dict[str, Span] = {"day": "day", "week": "week", "month": "month"}


async def team_usage(request: Request) -> Response:
    """Show what each member used in this day, week or month."""
    team, formatter = await team_of(request), formatter_of(request)
    span = _SPANS.get(request.query_params.get("period", ""), "month")
    today = formatter.now.astimezone(formatter.zone).date()
    period = Period(first_of(span, today), today, formatter.zone)
    members = await teams_of(request).members.of(team.team_id)
    found = await team_usage_of(reads_of(request), team.team_id, members, span, period)
    return await page(
        request,
        "team_usage.html",
        account_id=team.team_id,
        team=team,
        found=found,
        manages=True,
        spans=list(_SPANS),
        most=max([one["credits"] for one in found["member_breakdown"]], default=0),
    )
