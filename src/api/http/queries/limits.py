"""The query of limits: what is left of each, computed from the events, never stale."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api.contract.answers.limits import CounterNow, LimitNow, LimitsAnswer, limit_fields
from api.contract.bodies import Id
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import MAX_PAGE, AccountId, Parameters, problems
from api.http.queries.reads import reads_of
from ledger.domain.errors import AccountNotFound
from ledger.domain.limits import CREDITS, CountedLimit, Counter, Limit, Value, excludes, value_in
from ledger.domain.periods import CalendarPeriod, window_end
from ledger.domain.usage import Usage
from ledger.service import AccountAt

router = APIRouter(route_class=AnswerRoute)


class _Usage(Parameters):
    provider: Id | None = None
    model: Id | None = None
    project: Id | None = None
    member: Id | None = Field(None, description="whose counters; limits of other members are left out")
    metric: Id | None = None
    key: Id | None = None
    agent: Id | None = None

    def given(self) -> Usage:
        return {name: value for name, value in self if value is not None}


@router.get(
    "/v1/accounts/{account_id}/limits",
    responses=problems(401, 403, 404, 422, 429, 500, 503),
    tags=["queries"],
    summary="The limits now, never stale: all of them, or those of some usage",
)
async def limits(
    request: Request, account_id: AccountId, query: Annotated[_Usage, Query()]
) -> JsonAnswer[LimitsAnswer]:
    """Computed from the events: a counter whose window has ended is 0, and what is on hold counts as used.

    Parameters name usage, such as that of one member. Limits that never apply to it are left out, and so are the
    counters and allowances of others.
    """
    found = await reads_of(request).ledger.account_at(account_id)
    if found is None:
        raise AccountNotFound(account_id)
    return JsonAnswer(limits_answer(found, query.given()), headers={"etag": f'"{found.newest.version}"'})


def limits_answer(found: AccountAt, usage: Usage, keys: Collection[str] | None = None) -> LimitsAnswer:
    """The limits of an account that may apply to some usage; with `keys`, nothing of other keys is told."""
    account, at = found.account, found.as_of
    every = account.limits.all if account.limits else ()
    applying = [one for one in every if _may_apply(one.limit, usage) and _is_of(one.limit, keys)]
    shown = [_limit_now(one, usage, at) for one in applying]
    if keys is not None:
        shown = [_without_others(limit, keys) for limit in shown]
    spendable, binding = account.balance.available, None
    for limit in shown:
        if limit["hard"] and limit["unit"] == CREDITS and _is_told_by(limit, usage):
            headroom = limit["counters"][0]["headroom"]
            if headroom < spendable:
                spendable, binding = headroom, limit["limit_id"]
    return {
        "account_id": account.account_id,
        "as_of": at,
        "version": found.newest.version,
        "position": found.newest.position,
        "available": account.balance.available,
        "spendable": spendable,
        "binding": binding,
        "limits": shown,
    }


def _may_apply(limit: Limit, usage: Usage) -> bool:
    if limit.unit != CREDITS and usage.get("metric", limit.unit) != limit.unit:
        return False
    return not excludes(limit, usage)


def _is_of(limit: Limit, keys: Collection[str] | None) -> bool:
    return keys is None or all(name != "key" or value in keys for name, value in limit.only)


def _without_others(limit: LimitNow, keys: Collection[str]) -> LimitNow:
    """A limit without the counters and allowances of other keys, where it counts by key."""
    if limit["each"] != ["key"]:
        return limit
    counters = [one for one in limit["counters"] if one["value"] in keys]
    allowances = {name: amount for name, amount in limit["allowances"].items() if name in keys}
    return {**limit, "counters": counters, "allowances": allowances, "more_counters": 0}


def _is_told_by(limit: LimitNow, usage: Usage) -> bool:
    """Whether usage names all dimensions by which a limit counts, so that it has one counter."""
    return all(name in usage for name in (*limit["each"], *limit["only"]))


def _limit_now(one: CountedLimit, usage: Usage, at: datetime) -> LimitNow:
    limit, shown = one.limit, limit_fields(one.limit)
    if limit.each and limit.each[0] not in usage:
        counters = sorted(_all_counters(one, at), key=lambda counter: (-counter["used"], counter["value"] or ""))
    else:
        value = value_in(limit, usage)
        counters = [_counter_now(limit, value, one.counter(value), at)]
        shown["allowances"] = {name: amount for name, amount in limit.allowances.items() if name == value}
    more = max(len(counters) - MAX_PAGE, 0)
    return {**shown, "counters": counters[:MAX_PAGE], "more_counters": more}


def _all_counters(one: CountedLimit, at: datetime) -> Iterator[CounterNow]:
    """The counters of all values that used something in this window, or have an allowance."""
    used = {value: counter for value, counter in one.counters() if counter.is_open(at)}
    for value in used.keys() | one.limit.allowances.keys():
        yield _counter_now(one.limit, value, used.get(value), at)


def _counter_now(limit: Limit, value: Value, counter: Counter | None, at: datetime) -> CounterNow:
    amount, used = limit.amount_of(value), 0
    resets_at = window_end(limit.period, at) if isinstance(limit.period, CalendarPeriod) else None
    if counter is not None and counter.is_open(at):
        used, resets_at = counter
    return {
        "value": value,
        "amount": amount,
        "used": used,
        "headroom": max(amount - used, 0),
        "over": max(used - amount, 0),
        "resets_at": resets_at,
    }
