"""The transfers that are waited for, for operators who look at their bank: who is to pay what, and that it came."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from babel.numbers import get_currency_precision
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.dashboard.checkout_pages.checkout import STATES
from api.dashboard.current_user import operator_of, root_of
from api.dashboard.formatting import day as day_name
from api.dashboard.forms import one_line, read_form
from api.dashboard.rendering import formatter_of, page, query_string
from api.http.billing.checkouts import checkouts_of, payments_of
from api.http.queries.query import now_of
from api.http.queries.reads import reads_of
from billing.checkouts.checkout import Checkout, read_reference
from billing.manual.lists import FIRST, Awaited, Place, awaited
from billing.manual.table import Receipt
from ledger.domain.amounts import MAX_AMOUNT

LIMIT = 50
_AMOUNT = re.compile(r"[0-9]{1,15}([.,][0-9]{1,4})?")
_LONGEST = 40
"""Characters of what somebody types here."""


class _Problem(NamedTuple):
    """Why a form was refused, and the transfer that it was about. `asks`: the amount that is to be confirmed."""

    checkout_id: str
    sentence: str
    asks: str | None = None


async def transfers(request: Request) -> Response:
    """Show what is waited for, the oldest first; or the one with a reference."""
    return await _list(request, None)


async def receive_transfer(request: Request) -> Response:
    """Take a transfer: once, with the amount and the day that the bank says."""
    form = await read_form(request)
    found = await checkouts_of(request).find(one_line(form, "checkout_id"))
    receipt = _receipt(request, found, form)
    if isinstance(receipt, _Problem):
        return await _list(request, receipt, form)
    done = await payments_of(request).receive(found.checkout_id, receipt)
    if done == "paid":
        query = query_string({}, received=found.reference or found.checkout_id)
        return RedirectResponse(f"{root_of(request)}/transfers{query}", 303)
    said = (
        "Somebody has taken it already."
        if done == "already"
        else "It was withdrawn: send the money back, or sell it again."
    )
    return await _list(request, _Problem(found.checkout_id, said), form)


def _receipt(request: Request, found: Checkout, form: dict[str, str]) -> Receipt | _Problem:
    """What the operator typed. Another amount than the one that was asked for is asked about first."""
    if found.reference is None:
        return _Problem(found.checkout_id, "Nothing is to be transferred for this checkout.")
    amount = minor_units(form.get("amount", ""), found.currency or "")
    if amount is None:
        return _Problem(found.checkout_id, "The amount must be a number, such as 19.00.")
    day = _day(form.get("date", ""))
    if day is None or day > now_of(request).date():
        return _Problem(found.checkout_id, "The day must be a date that is not in the future, such as 2027-01-31.")
    if amount != found.amount_minor and form.get("confirmed") != str(amount):
        formatter = formatter_of(request)
        asked, came = (formatter.minor(one, found.currency or "") for one in (found.amount_minor, amount))
        sentence = f"{asked} was asked for, and {came} came. Is that right? What was bought is granted in full."
        return _Problem(found.checkout_id, sentence, str(amount))
    return Receipt(operator_of(request).key.actor, day, amount)


def minor_units(text: str, currency: str) -> int | None:
    """An amount that somebody typed, in minor units of its currency; None for what is none."""
    if not _AMOUNT.fullmatch(text):
        return None
    minor = Decimal(text.replace(",", ".")).scaleb(get_currency_precision(currency))
    return int(minor) if minor == minor.to_integral_value() and 0 < minor <= MAX_AMOUNT else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2027-01-31") else None
    except ValueError:
        return None


async def _list(request: Request, problem: _Problem | None, given: Mapping[str, str] | None = None) -> Response:
    query = request.query_params
    typed = query.get("reference", "")[:_LONGEST]
    reference = read_reference(typed) if typed.strip() else None
    async with reads_of(request).ledger.log.connection() as connection:
        found = await awaited(connection, reference, _place(query.get("after", "")), LIMIT + 1)
    if problem is not None and problem.checkout_id not in [one.checkout_id for one in found[:LIMIT]]:
        found = [*await _of(request, problem.checkout_id), *found]
    return await page(
        request,
        "transfers.html",
        status=200 if problem is None else 422,
        problem=problem,
        reference=typed,
        transfers=found[:LIMIT],
        states=STATES,
        given=given or {},
        day_name=day_name,
        today=now_of(request).date(),
        received=query.get("received", "")[:_LONGEST],
        more=_name(found[LIMIT - 1]) if len(found) > LIMIT else None,
    )


async def _of(request: Request, checkout_id: str) -> list[Awaited]:
    """The transfer of a checkout, which another page of the list has."""
    found = await checkouts_of(request).find(checkout_id)
    if found.reference is None:
        return []
    async with reads_of(request).ledger.log.connection() as connection:
        return await awaited(connection, found.reference, FIRST, 1)


def _name(last: Awaited) -> str:
    return f"{last.created_at.isoformat()} {last.checkout_id}"


def _place(text: str) -> Place:
    """The place after which the list goes on; the first one for what is none."""
    moment, _, checkout_id = text.partition(" ")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return FIRST
    return Place(at, checkout_id) if at.tzinfo is not None and "\0" not in checkout_id else FIRST
