"""The disputes of payments, for operators."""

from typing import get_args

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.rendering import page, required_position
from api.http.queries.money import disputes_of
from api.http.queries.query import Page
from api.http.queries.reads import reads_of
from ledger.domain.events import DisputeState

LIMIT = 50
TONES = {"open": "warn", "won": "good", "lost": "bad"}
_CHOICES: dict[str, DisputeState | None] = {state: state for state in get_args(DisputeState)} | {"all": None}


async def disputes(request: Request) -> Response:
    """Show one page of the disputes that are open, won or lost, or of all of them."""
    query = request.query_params
    listed = query.get("state", "open")
    listed = listed if listed in _CHOICES else "open"
    wanted = Page(LIMIT, query.get("cursor") or None, required_position(request))
    found = await disputes_of(reads_of(request), _CHOICES[listed], wanted)
    return await page(
        request,
        "disputes.html",
        **found,
        listed=listed,
        choices=list(_CHOICES),
        tones=TONES,
        first=wanted.cursor is None,
    )
