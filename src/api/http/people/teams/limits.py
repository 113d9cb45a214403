"""Routes of the limits in a team: what is left to who asks, and the limits and allowances that a team sets itself.

The limits of a team are those of the source `team`. Nobody in it changes what a plan or an operator has set.
"""

from collections.abc import Collection
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Path, Request

from api.contract.answers.limits import LimitsAnswer
from api.contract.bodies import SEGMENT
from api.contract.limit_bodies import TeamAllowanceBody, TeamLimitsBody
from api.http.commands.command_endpoint import endpoint_of
from api.http.json_answer import JsonAnswer
from api.http.people.key_lists import key_ids_of
from api.http.people.person_route import PersonRoute, actor_name, body_of, body_schema, user_of
from api.http.people.teams.team_route import MemberId, TeamId, role_in
from api.http.people.teams.teams import CHANGING, WITH_KEY
from api.http.queries.limits import limits_answer
from api.http.queries.reads import Reads, reads_of
from ledger.commit.submission import Submission
from ledger.domain.commands import MAX_ID, SetAllowance, SetLimits
from ledger.domain.errors import AccountNotFound, LimitNotFound, Refusal
from ledger.domain.usage import Usage
from ledger.store import Metadata
from people.audit_log import AuditEntry, Details, note

router = APIRouter(route_class=PersonRoute, tags=["people"])
TEAM = "team"
"""The source of the limits that a team sets itself."""
KEY_SOURCE = "key:"
"""How the source of a limit begins that is set for a key alone; its id follows."""
LimitId = Annotated[str, Path(min_length=1, max_length=MAX_ID, pattern=SEGMENT)]


@router.get("/api/teams/{team_id}/limits", responses=WITH_KEY, summary="The limits of a team now")
async def limits(request: Request, team_id: TeamId) -> JsonAnswer[LimitsAnswer]:
    """A member gets those that apply to them, with how much they can still use; admins and the owner get all."""
    role, user_id, reads = await role_in(request, team_id), user_of(request).user_id, reads_of(request)
    if role != "member":
        return JsonAnswer(await _limits_now(reads, team_id, {}))
    keys = await key_ids_of(request, team_id, user_id)
    return JsonAnswer(await _limits_now(reads, team_id, {"member": user_id}, keys))


@router.put(
    "/api/teams/{team_id}/limits",
    responses=CHANGING,
    summary="Set the limits of a team",
    openapi_extra=body_schema(TeamLimitsBody),
)
async def set_limits(request: Request, team_id: TeamId) -> JsonAnswer[LimitsAnswer]:
    """All that the team has set itself; those of its plan and of operators stay. For admins and the owner."""
    body = await body_of(request, TeamLimitsBody)
    await role_in(request, team_id, "admin")
    command = SetLimits(team_id, TEAM, tuple(one.limit() for one in body.limits))
    await carry_out(reads_of(request), actor_name(request), command, _request_id(request))
    return JsonAnswer(await _limits_now(reads_of(request), team_id, {}))


@router.put(
    "/api/teams/{team_id}/limits/{limit_id}/allowances/{user_id}",
    responses=CHANGING,
    summary="Set the amount of one member",
    openapi_extra=body_schema(TeamAllowanceBody),
)
async def set_allowance(
    request: Request, team_id: TeamId, limit_id: LimitId, user_id: MemberId
) -> JsonAnswer[LimitsAnswer]:
    """Of a limit that the team has set for each member. For admins and the owner."""
    body = await body_of(request, TeamAllowanceBody)
    await role_in(request, team_id, "admin")
    reads = reads_of(request)
    await check_own_limit(reads, team_id, limit_id)
    command = SetAllowance(team_id, limit_id, user_id, body.amount)
    await carry_out(reads, actor_name(request), command, _request_id(request))
    return JsonAnswer(await _limits_now(reads, team_id, {"member": user_id}))


async def check_own_limit(reads: Reads, team_id: str, limit_id: str) -> None:
    """Raise LimitNotFound unless the team has set this limit itself, for each member."""
    found = await reads.ledger.account_at(team_id)
    counted = found.account.limits.get(limit_id) if found is not None and found.account.limits is not None else None
    if counted is None or counted.limit.source != TEAM or counted.limit.each != ("member",):
        raise LimitNotFound(limit_id)


async def carry_out(reads: Reads, actor: str, command: SetLimits | SetAllowance, request_id: str) -> None:
    """Carry out a command of somebody who may. Raises Refusal, Overloaded and Unavailable."""
    operation = "limits" if isinstance(command, SetLimits) else "allowance"
    outcome = await reads.ledger.execute(Submission(command, Metadata(actor, operation, None, request_id)))
    if isinstance(outcome, Refusal):
        raise outcome
    entry = AuditEntry("limit.set", actor, command.account_id, command.account_id, _details(command))
    async with reads.ledger.log.connection() as connection:
        await note(connection, reads.clock(), entry)


async def end_limit_of_key(reads: Reads, actor: str, account_id: str, key_id: str, request_id: str) -> None:
    """Remove the limit that was set for a key which is revoked: usage that names no key would be refused for nothing.

    Raises Overloaded and Unavailable. An account that takes no limits any more keeps it.
    """
    found, source = await reads.ledger.account_at(account_id), f"{KEY_SOURCE}{key_id}"
    limits = found.account.limits.all if found is not None and found.account.limits is not None else ()
    if any(one.limit.source == source for one in limits):
        with suppress(Refusal):
            await carry_out(reads, actor, SetLimits(account_id, source, ()), request_id)


def _details(command: SetLimits | SetAllowance) -> Details:
    """What was set, for the audit log: the limits with their amounts, or the amount of one member."""
    if isinstance(command, SetAllowance):
        return {"limit": command.limit_id, "member": command.value, "amount": command.amount}
    return {one.limit_id: one.amount for one in command.limits}


async def _limits_now(reads: Reads, team_id: str, usage: Usage, keys: Collection[str] | None = None) -> LimitsAnswer:
    found = await reads.ledger.account_at(team_id)
    if found is None:
        raise AccountNotFound(team_id)
    return limits_answer(found, usage, keys)


def _request_id(request: Request) -> str:
    return endpoint_of(request).next_request_id()
