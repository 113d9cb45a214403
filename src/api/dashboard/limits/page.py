"""The limits page: what may be used now, and for each limit how much of it is left and when it resets."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.contract.answers.limits import CounterNow, LimitNow, LimitsAnswer
from api.contract.scopes import PAGES
from api.dashboard.current_user import user_of
from api.dashboard.done_notice import done_by
from api.dashboard.formatting import Formatter
from api.dashboard.limits.forms import OPERATOR
from api.dashboard.limits.wording import often, rule_of, title_of, window_of
from api.dashboard.rendering import formatter_of, names_in, page
from api.http.people.key_lists import account_keys_of, key_ids_of
from api.http.people.teams.limits import KEY_SOURCE
from api.http.queries.limits import limits_answer
from api.http.queries.reads import Reads, reads_of
from ledger.domain.errors import AccountNotFound
from ledger.domain.usage import Usage

MOST_COUNTERS = 50
"""The counters of a limit that the page shows, those that used most."""
State = Literal["left", "near", "reached"]
_SET = PAGES["GET /accounts/{account_id}/limit"]


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
    title: str
    rule: str
    window: str
    bars: list[Bar]
    more: int
    """Counters that are not shown."""
    may_change: bool
    """Whether the form of operators may replace it: other sources have limits of their own."""

    @property
    def is_of_key(self) -> bool:
        """Whether the page of keys set it, for one key."""
        return self.limit["source"].startswith(KEY_SOURCE)

    @property
    def set_by(self) -> str:
        """Who set it."""
        return "the page of keys" if self.is_of_key else self.limit["source"]

    @property
    def often(self) -> str:
        """In which windows it counts, such as: each month."""
        return often(self.limit)

    @property
    def every(self) -> str:
        """Its calendar window, such as `month`; an empty text for none."""
        return (self.limit["period"] or {}).get("every", "")

    @property
    def unit(self) -> str:
        """What it counts, after a number."""
        return self.limit["unit"]


class LimitNotice(NamedTuple):
    """A hard limit of which little or nothing is left."""

    title: str
    bar: Bar


async def limits(request: Request) -> Response:
    """Show all limits of an account; to a member, those that apply to them, with their own counters."""
    account_id, formatter = request.path_params["account_id"], formatter_of(request)
    own, reads = user_of(request).sees_only, reads_of(request)
    found = await (limits_now(reads, account_id) if own is None else limits_of_member(request, account_id, own))
    names = await limit_names(request, found)
    cards = cards_of(found, formatter, names)
    return await page(
        request,
        "limits.html",
        account_id=account_id,
        found=found,
        cards=cards,
        binding=binding_in(found, cards),
        names=names,
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
    return [LimitNotice(title_of(limit, {}), bar) for limit, bar in bars if bar.state != "left"]


async def limit_names(request: Request, found: LimitsAnswer) -> dict[str, str]:
    """What the members and keys are called that limits are about, by their ids."""
    account_id = found["account_id"]
    names = await names_in(request, account_id)
    if any("key" in limit["each"] or "key" in limit["only"] for limit in found["limits"]):
        names |= {key.key_id: key.name for key in await account_keys_of(request).listed(account_id)}
    return names


def cards_of(found: LimitsAnswer, formatter: Formatter, names: Mapping[str, str]) -> list[LimitCard]:
    """Limits as a page shows them. `names` has those of members and keys, by their ids."""
    return [_card(limit, formatter, names) for limit in found["limits"]]


def binding_in(found: LimitsAnswer, cards: Iterable[LimitCard]) -> str | None:
    """The title of the limit that leaves least; None where the balance does."""
    return next((card.title for card in cards if card.limit["limit_id"] == found["binding"]), None)


def _card(limit: LimitNow, formatter: Formatter, names: Mapping[str, str]) -> LimitCard:
    bars = [bar_of(limit, counter) for counter in limit["counters"][:MOST_COUNTERS]]
    more = len(limit["counters"]) - len(bars) + limit["more_counters"]
    title, rule, window = title_of(limit, names), rule_of(limit, formatter, names), window_of(limit)
    return LimitCard(limit, title, rule, window, bars, more, limit["source"] == OPERATOR)


def bar_of(limit: LimitNow, counter: CounterNow) -> Bar:
    """A counter as a bar."""
    used, amount = counter["used"], counter["amount"]
    state: State = "left"
    if used >= amount:
        state = "reached"
    elif limit["near"] and 100 * used >= max(limit["near"]) * amount:
        state = "near"
    return Bar(counter["value"], used, amount, counter["headroom"], counter["over"], state, counter["resets_at"])
