"""The limits page: what may be used now, and for each limit how much of it is left and when it resets."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.contract.answers.limits import CounterNow, LimitFields, LimitNow, LimitsAnswer, limit_fields
from api.contract.scopes import PAGES
from api.dashboard.current_user import user_of
from api.dashboard.done_notice import done_by
from api.dashboard.formatting import Formatter, ordinal
from api.dashboard.limits.forms import OPERATOR
from api.dashboard.limits.lengths import length_of
from api.dashboard.rendering import formatter_of, names_in, page
from api.http.people.key_lists import key_ids_of
from api.http.queries.limits import limits_answer
from api.http.queries.reads import Reads, reads_of
from ledger.domain.errors import AccountNotFound
from ledger.domain.events import LimitsSet
from ledger.domain.limits import CREDITS
from ledger.domain.usage import Usage

MOST_COUNTERS = 50
"""The counters of a limit that the page shows, those that used most."""
State = Literal["left", "near", "reached"]
_SET = PAGES["GET /accounts/{account_id}/limit"]
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Bar(NamedTuple):
    """One counter: how much of its amount is used, and in which state that is."""

    value: str | None
    used: int
    amount: int
    headroom: int
    over: int
    state: State
    resets_at: datetime | None

    @property
    def share(self) -> float:
        """The percentage of the bar that is filled. An amount of 0 is used up."""
        return min(100 * self.used / self.amount, 100) if self.amount else 100


class LimitCard(NamedTuple):
    """One limit with its bars."""

    limit: LimitNow
    rule: str
    window: str
    bars: list[Bar]
    more: int
    """Counters that are not shown."""
    may_change: bool
    """Whether the form of operators may replace it: other sources have limits of their own."""

    @property
    def unit(self) -> str:
        """What it counts, after a number."""
        return self.limit["unit"]


class LimitNotice(NamedTuple):
    """A hard limit of which little or nothing is left."""

    limit_id: str
    unit: str
    bar: Bar


async def limits(request: Request) -> Response:
    """Show all limits of an account; to a member, those that apply to them, with their own counters."""
    account_id, formatter = request.path_params["account_id"], formatter_of(request)
    own, reads = user_of(request).sees_only, reads_of(request)
    found = await (limits_now(reads, account_id) if own is None else limits_of_member(request, account_id, own))
    return await page(
        request,
        "limits.html",
        account_id=account_id,
        found=found,
        cards=[card_of(limit, formatter) for limit in found["limits"]],
        names=await names_in(request, account_id),
        sets=user_of(request).may(_SET),
        done=await done_by(request, account_id),
    )


async def limits_of_member(request: Request, account_id: str, member: str) -> LimitsAnswer:
    """The limits that apply to a member, who is told of no other one's keys and allowances. Raises AccountNotFound."""
    keys = await key_ids_of(request, account_id, member)
    return await limits_now(reads_of(request), account_id, {"member": member}, keys)


async def limits_now(
    reads: Reads, account_id: str, usage: Usage | None = None, keys: Collection[str] | None = None
) -> LimitsAnswer:
    """All limits of an account, or those of some usage and some keys. Raises AccountNotFound."""
    found = await reads.ledger.account_at(account_id)
    if found is None:
        raise AccountNotFound(account_id)
    return limits_answer(found, usage or {}, keys)


def notices_of(found: LimitsAnswer) -> list[LimitNotice]:
    """The hard limits for all usage of which little or nothing is left."""
    whole = [limit for limit in found["limits"] if limit["hard"] and not limit["each"] and not limit["only"]]
    bars = [(limit, bar_of(limit, counter)) for limit in whole for counter in limit["counters"]]
    return [LimitNotice(limit["limit_id"], limit["unit"], bar) for limit, bar in bars if bar.state != "left"]


def card_of(limit: LimitNow, formatter: Formatter) -> LimitCard:
    """A limit as the page shows it."""
    bars = [bar_of(limit, counter) for counter in limit["counters"][:MOST_COUNTERS]]
    more = len(limit["counters"]) - len(bars) + limit["more_counters"]
    return LimitCard(limit, rule_of(limit, formatter), window_of(limit), bars, more, limit["source"] == OPERATOR)


def bar_of(limit: LimitNow, counter: CounterNow) -> Bar:
    """A counter as a bar."""
    used, amount = counter["used"], counter["amount"]
    state: State = "left"
    if used >= amount:
        state = "reached"
    elif limit["near"] and 100 * used >= max(limit["near"]) * amount:
        state = "near"
    return Bar(counter["value"], used, amount, counter["headroom"], counter["over"], state, counter["resets_at"])


def rule_set(event: LimitsSet, formatter: Formatter) -> list[str]:
    """What the last limit of an event says, in sentences, and whether its counters go on."""
    limit = limit_fields(event.limits[-1])
    goes_on = limit["limit_id"] in event.kept
    return [
        f"{rule_of(limit, formatter)}.",
        window_of(limit),
        "Beyond it, usage is refused." if limit["hard"] else "Beyond it, usage is only counted.",
        "Its counters go on." if goes_on else "Its counters begin at 0.",
    ]


def rule_of(limit: LimitFields, formatter: Formatter) -> str:
    """What a limit says, such as: 1,000 credits for each member, only of model gpt-5."""
    rule = f"{formatter.number(limit['amount'])} {_unit(limit['unit'], limit['amount'])}"
    if limit["each"]:
        rule += f" for each {limit['each'][0]}"
    if limit["only"]:
        rule += ", only of " + " and ".join(f"{name} {value}" for name, value in limit["only"].items())
    return rule


def _unit(unit: str, amount: int) -> str:
    if unit == CREDITS:
        return "credit" if amount == 1 else CREDITS
    return f"units of {unit}" if amount != 1 else f"unit of {unit}"


def window_of(limit: LimitFields) -> str:
    """The window in which a limit counts, in words."""
    period = limit["period"]
    if period is None:
        return "It never resets."
    if "seconds" in period:
        return f"It resets {length_of(period['seconds'])} after the first use."
    every, starts, zone = period["every"], period.get("starts", 1), period["zone"]
    when = ""
    if every == "week":
        when = f", on {_WEEKDAYS[starts - 1]}"
    elif every == "month":
        when = f", on the {ordinal(starts)}"
    return f"It resets every {every}{when}, in {zone}."
