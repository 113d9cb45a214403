"""The page of the limit that a team sets for each of its members, with a bar and an amount of their own for each.

It is one limit of the source `team`. Others of that source, which came over the API, go on as they are.
"""

import re
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.contract.answers.limits import LimitNow
from api.contract.limit_bodies import LimitsBody
from api.contract.problems import Problem
from api.contract.validation import validated
from api.dashboard.current_user import account_path, root_of
from api.dashboard.forms import one_line, read_form
from api.dashboard.limits.forms import typed_values, with_limit, without_limit
from api.dashboard.limits.page import Bar, bar_of, limit_names
from api.dashboard.limits.wording import title_of
from api.dashboard.people_pages.teams.acting import Refused, actor_of, manages, team_of, teams_of
from api.dashboard.person_forms import WrongField
from api.dashboard.rendering import formatter_of, page
from api.http.people.teams.limits import TEAM, carry_out, check_own_limit
from api.http.people.teams.usage import team_usage_of
from api.http.queries.limits import limits_answer
from api.http.queries.periods import Period
from api.http.queries.reads import Reads, reads_of
from ledger.domain.commands import MAX_ID, SetAllowance, SetLimits
from ledger.domain.errors import AccountNotFound, Refusal
from ledger.service import AccountAt
from people.teams.words import Member

EACH_MEMBER = "each-member"
"""The id of the limit."""
_AMOUNT = re.compile(r"[0-9]{1,16}", re.ASCII)
_PERIODS = {"day": "day", "week": "week", "month": "month", "": "never"}
_NEW = {"act": "set", "amount": "", "period": "month", "user_id": ""}
"""What the form says at first."""
_LOOKED_BACK = 30
"""Days in which the page looks for usage that names no member, before a limit makes it impossible."""


class MemberBar(NamedTuple):
    """A member with their counter; None where the limit is not set."""

    member: Member
    bar: Bar | None
    own: bool
    """Whether they have an amount of their own."""


async def team_limits(request: Request) -> Response:
    """Show the limit of each member, and how much of it they used."""
    return await _show(request, None)


async def set_team_limits(request: Request) -> Response:
    """Set or remove the limit, or the amount of one member."""
    form, team = await read_form(request), await team_of(request)
    try:
        await _carry_out(request, form, team.team_id)
    except WrongField as error:
        return await _show(request, Refused(422, str(error), error.field), form)
    except Refusal as error:
        return await _show(request, Refused(422, error.message), form)
    except Problem as error:
        return await _show(request, Refused(error.status, error.detail), form)
    return RedirectResponse(account_path(root_of(request), team.team_id, "team", "limits"), 303)


async def _carry_out(request: Request, form: Mapping[str, str], team_id: str) -> None:
    """Raises WrongField, Refusal, Problem, and HTTPException 400 for what the page does not offer."""
    reads = reads_of(request)
    match form.get("act"):
        case "set":
            period = form.get("period", "")
            given = {"limit_id": EACH_MEMBER, "each": "member", "amount": _amount_in(form), "period": period}
            zone = {"zone": formatter_of(request).zone.key, "near": "80"}
            body = with_limit({**given, **zone}, (await _account_at(reads, team_id)).account, TEAM)
        case "remove":
            body = without_limit(EACH_MEMBER, (await _account_at(reads, team_id)).account, TEAM)
        case "allow":
            await check_own_limit(reads, team_id, EACH_MEMBER)
            amount = _amount_in(form) if form.get("amount") else None
            member = one_line(form, "user_id")[:MAX_ID]
            await _execute(request, SetAllowance(team_id, EACH_MEMBER, member, amount))
            return
        case _:
            raise HTTPException(400, "The form cannot be read.")
    limits = validated(LimitsBody, body)
    await _execute(request, SetLimits(team_id, TEAM, tuple(one.limit() for one in limits.limits)))


async def _execute(request: Request, command: SetLimits | SetAllowance) -> None:
    await carry_out(reads_of(request), actor_of(request).name, command, f"page-{secrets.token_hex(8)}")


async def _account_at(reads: Reads, team_id: str) -> AccountAt:
    found = await reads.ledger.account_at(team_id)
    if found is None:
        raise AccountNotFound(team_id)
    return found


def _amount_in(form: Mapping[str, str]) -> int:
    text = form.get("amount", "")
    if not _AMOUNT.fullmatch(text):
        raise WrongField("Enter a whole number of credits, in digits alone.", "amount")
    return int(text)


async def _show(request: Request, problem: Refused | None, form: Mapping[str, str] | None = None) -> Response:
    team, reads = await team_of(request), reads_of(request)
    members = await teams_of(request).members.of(team.team_id)
    at = await _account_at(reads, team.team_id)
    found = limits_answer(at, {})
    limits, names = found["limits"], await limit_names(request, found)
    return await page(
        request,
        "team_limits.html",
        status=problem.status if problem else 200,
        account_id=team.team_id,
        team=team,
        limit=(limit := _each_member(limits)),
        bars=[_bar(at, member) for member in members],
        others=[title_of(one, names) for one in limits if one is not limit],
        given={**_NEW, **typed_values(EACH_MEMBER, at.account, TEAM), **(form or {})},
        periods=_PERIODS,
        unnamed=await _unnamed(request, team.team_id, members),
        looked_back=_LOOKED_BACK,
        sets=manages(request),
        manages=True,
        problem=problem,
    )


def _each_member(limits: list[LimitNow]) -> LimitNow | None:
    return next((one for one in limits if one["limit_id"] == EACH_MEMBER and one["source"] == TEAM), None)


def _bar(at: AccountAt, member: Member) -> MemberBar:
    limit = _each_member(limits_answer(at, {"member": member.user_id})["limits"])
    if limit is None:
        return MemberBar(member, None, own=False)
    return MemberBar(member, bar_of(limit, limit["counters"][0]), member.user_id in limit["allowances"])


async def _unnamed(request: Request, team_id: str, members: list[Member]) -> int:
    """The credits of usage that named no member lately: such usage is refused as soon as the limit is set."""
    formatter = formatter_of(request)
    today = formatter.now.astimezone(formatter.zone).date()
    period = Period(today - timedelta(days=_LOOKED_BACK - 1), today, formatter.zone)
    found = await team_usage_of(reads_of(request), team_id, members, "month", period)
    return sum(one["credits"] for one in found["member_breakdown"] if one["user_id"] is None)
