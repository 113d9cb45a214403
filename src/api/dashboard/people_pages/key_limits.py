"""The credit limit of a key, as the page of keys shows and sets it.

It is a limit of the account that counts what the key spends. Its source is its own: a change of one never replaces
another. Whoever may set no limits sees those of their keys.
"""

import re
import secrets
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from starlette.requests import Request

from api.contract.scopes import PAGES
from api.dashboard.current_user import user_of
from api.dashboard.limits.page import LimitCard, cards_of, limits_now
from api.dashboard.person_forms import WrongField
from api.dashboard.rendering import formatter_of
from api.http.people.teams.limits import KEY_SOURCE, carry_out
from api.http.queries.periods import Period as Days
from api.http.queries.reads import reads_of
from api.http.queries.totals import usage_of
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.commands import NewLimit, SetLimits
from ledger.domain.errors import AccountNotFound
from ledger.domain.periods import CalendarPeriod, Every
from people.keys.issuing import Holder
from people.teams.words import missing_role
from projections.models.views import NotBuilt

PERIODS: Mapping[str, str] = {"month": "each month", "week": "each week", "day": "each day", "": "in total"}
"""The windows of a limit, as the form offers them."""
_EVERY: Mapping[str, Every] = {"day": "day", "week": "week", "month": "month"}
_AMOUNT = re.compile(r"[0-9]{1,16}", re.ASCII)
_SET = PAGES["GET /accounts/{account_id}/limit"]
LOOKED_BACK = 30
"""Days in which the page looks for usage that names no key: a limit of a key makes it impossible."""


class KeyLimit(NamedTuple):
    """What a key may spend in a window; in all, where `period` is empty."""

    amount: int
    period: str


def may_limit(request: Request, holder: Holder) -> bool:
    """Whether who acts may limit keys: who sees all of an account's, and operators who set limits."""
    user = user_of(request)
    return user.may(_SET) if user.is_operator else holder.seen is None


def limit_in(form: Mapping[str, str], field: str) -> KeyLimit | None:
    """The limit in a form; None for one that is left empty. Raises WrongField, about `field`."""
    text, period = form.get("amount", ""), form.get("period", "")
    if not text:
        return None
    if not _AMOUNT.fullmatch(text) or int(text) > MAX_AMOUNT:
        raise WrongField("Enter a whole number of credits, in digits alone.", field)
    if period not in PERIODS:
        raise WrongField("Choose one of the windows.", field)
    return KeyLimit(int(text), period)


async def set_limit(request: Request, holder: Holder, key_id: str, wanted: KeyLimit | None) -> None:
    """Set the limit of a key, or remove it. Raises AccessRefused: missing_role, Refusal, Overloaded and Unavailable."""
    if not may_limit(request, holder):
        raise missing_role("admin")
    limits: tuple[NewLimit, ...] = ()
    source = f"{KEY_SOURCE}{key_id}"
    if wanted is not None:
        every = _EVERY.get(wanted.period)
        period = CalendarPeriod(every, formatter_of(request).zone.key, 1) if every else None
        limits = (NewLimit(source, wanted.amount, only=(("key", key_id),), period=period),)
    command = SetLimits(holder.account_id, source, limits)
    await carry_out(reads_of(request), holder.actor, command, f"page-{secrets.token_hex(8)}")


async def limits_by_key(request: Request, account_id: str) -> dict[str, list[LimitCard]]:
    """The limits of single keys, whoever set them, by the ids of the keys. None of an account that is not open yet."""
    found: dict[str, list[LimitCard]] = defaultdict(list)
    try:
        now = await limits_now(reads_of(request), account_id)
    except AccountNotFound:
        return found
    for card in cards_of(now, formatter_of(request), {}):
        if not card.limit["each"] and list(card.limit["only"]) == ["key"]:
            found[card.limit["only"]["key"]].append(card)
    return found


async def unnamed_credits(request: Request, account_id: str) -> int:
    """The credits of usage that named no key lately; 0 where that is not known now, as the page must work then too."""
    formatter = formatter_of(request)
    today = formatter.now.astimezone(formatter.zone).date()
    days = Days(today - timedelta(days=LOOKED_BACK - 1), today, formatter.zone)
    try:
        found = await usage_of(reads_of(request), account_id, days, "total", ("key",), 100)
    except (AccountNotFound, NotBuilt):
        return 0
    groups = found["buckets"][0]["groups"]
    return sum(group["credits"] for group in groups if "other" not in group and group["key"] is None)
