"""The routes of one thing of an account: a grant, a hold or a payment of the read models, and a deduction or a transfer
of the events, which are never stale. `expand` adds what they name by its id."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from api.contract.answers.lists import grant, hold, payment
from api.contract.answers.things.deductions import deduction_fields
from api.contract.answers.things.thing import (
    CapturesIfAny,
    DeductionAnswer,
    GrantAnswer,
    HoldAnswer,
    PaymentAnswer,
    TransferAnswer,
)
from api.contract.answers.things.transfers import transfer_fields
from api.contract.bodies import ONE_LINE
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import AccountId, Parameters, Visible, as_of, known_account, problems, problems_of
from api.http.queries.reads import Reads, reads_of
from api.http.queries.things.expanding import (
    MAX_CAPTURES,
    OfPayments,
    add_grants_of_payments,
    captures_of,
    expand_deduction,
    finish_payments,
    names_in,
)
from ledger.domain.commands import MAX_ID
from ledger.domain.errors import (
    DeductionNotFound,
    GrantNotFound,
    HoldNotFound,
    PaymentAmbiguous,
    PaymentNotFound,
    TransferNotFound,
)
from ledger.readable_texts import with_descriptions
from ledger.store import Logged, read
from projections.models.balances.projection import BALANCES
from projections.models.balances.queries import grants_page, holds_page
from projections.models.payments.projection import PAYMENTS
from projections.models.payments.queries import documented
from projections.models.payments.queries import page as payments_page
from projections.models.views import Snapshot

router = APIRouter(route_class=AnswerRoute, tags=["queries"])

ThingId = Annotated[str, Path(min_length=1, max_length=MAX_ID, pattern=ONE_LINE)]
_DIGITS = 18
"""No id of the ledger has more."""
_OF_ALL = problems(401, 403, 422, 429, 500, 503)


class _Nothing(Parameters):
    pass


class _Hold(Visible):
    expand: Literal["captures"] | None = Field(
        None, description=f"its captures, as deductions: the newest {MAX_CAPTURES}"
    )


class _Deduction(Parameters):
    expand: Literal["grants", "hold", "grants,hold"] | None = Field(
        None, description="the grant of each draw, the hold of a capture: as the lists have them"
    )


class _Payment(Visible):
    expand: OfPayments | None = None
    provider: str | None = Field(
        None, min_length=1, max_length=MAX_ID, pattern=ONE_LINE, description="needed when several have used the id"
    )


def _problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    return _OF_ALL | problems_of("account_not_found", *codes)


def _number(thing_id: str, prefix: str) -> int | None:
    """The number in an id of the ledger, such as grt_7; None for what is no such id."""
    digits = thing_id.removeprefix(prefix)
    number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS else None
    return number if thing_id == f"{prefix}{number}" else None


@router.get(
    "/v1/accounts/{account_id}/grants/{grant_id}",
    responses=_problems("grant_not_found", "not_yet_visible"),
    summary="One grant, with where its credits are",
)
async def one_grant(
    request: Request, account_id: AccountId, grant_id: ThingId, query: Annotated[Visible, Query()]
) -> JsonAnswer[GrantAnswer]:
    """As the list of grants has it."""
    reads = reads_of(request)
    async with reads.views.snapshot(BALANCES, at_least=query.min_position) as moment:
        found = await _row(grants_page, moment, account_id, reads.clock(), _number(grant_id, "grt_"))
    if found is None:
        await known_account(reads.ledger, account_id)
        raise GrantNotFound(grant_id)
    [told] = await with_descriptions(reads.ledger.log, account_id, [grant(found)])
    return JsonAnswer({**as_of(moment), "account_id": account_id, **told})


@router.get(
    "/v1/accounts/{account_id}/holds/{hold_id}",
    responses=_problems("hold_not_found", "not_yet_visible"),
    summary="One hold, open or resolved",
)
async def one_hold(
    request: Request, account_id: AccountId, hold_id: ThingId, query: Annotated[_Hold, Query()]
) -> JsonAnswer[HoldAnswer]:
    """As the list of holds has it."""
    reads = reads_of(request)
    async with reads.views.snapshot(BALANCES, at_least=query.min_position) as moment:
        found = await _row(holds_page, moment, account_id, reads.clock(), _number(hold_id, "hld_"))
    if found is None:
        await known_account(reads.ledger, account_id)
        raise HoldNotFound(hold_id)
    [told] = await with_descriptions(reads.ledger.log, account_id, [hold(found)])
    captures: CapturesIfAny = {}
    if query.expand is not None:
        captures = await captures_of(reads, account_id, hold_id, moment.position)
    return JsonAnswer({**as_of(moment), "account_id": account_id, **told, **captures})


async def _row(
    page: Any, moment: Snapshot, account_id: str, now: datetime, number: int | None, column: str = "number"
) -> dict[str, Any] | None:
    """The row of a list that has the number in the column by which pages are cut."""
    if number is None:
        return None
    rows = await page(moment, account_id, now=now, before=number + 1, status=None, limit=1)
    return rows[0] if rows and rows[0][column] == number else None


@router.get(
    "/v1/accounts/{account_id}/payments/{payment_id}",
    responses=_problems("payment_not_found", "payment_ambiguous", "not_yet_visible"),
    summary="One payment, and the grants that it paid for",
)
async def one_payment(
    request: Request, account_id: AccountId, payment_id: ThingId, query: Annotated[_Payment, Query()]
) -> JsonAnswer[PaymentAnswer]:
    """As the list of payments has it."""
    reads, names, now = reads_of(request), names_in(query.expand), reads_of(request).clock()
    async with reads.views.snapshot(BALANCES, PAYMENTS, at_least=query.min_position) as moment:
        named = await documented(moment, account_id, payment_id)
        asked = [one for one in named if query.provider in {None, one.provider}]
        if len(asked) > 1:
            raise PaymentAmbiguous(payment_id, [one.provider for one in asked])
        row = await _row(payments_page, moment, account_id, now, asked[0].version if asked else None, "version")
        found = [] if row is None else [payment(row)]
        grants = await add_grants_of_payments(moment, account_id, found, now) if "grants" in names else []
    if not found:
        await known_account(reads.ledger, account_id)
        raise PaymentNotFound(payment_id)
    await finish_payments(reads, account_id, found, grants, names)
    return JsonAnswer({**as_of(moment), "account_id": account_id, **found[0]})


@router.get(
    "/v1/accounts/{account_id}/deductions/{deduction_id}",
    responses=_problems("deduction_not_found", "not_yet_visible"),
    summary="One deduction or capture, and what of it was reversed",
)
async def one_deduction(
    request: Request, account_id: AccountId, deduction_id: ThingId, query: Annotated[_Deduction, Query()]
) -> JsonAnswer[DeductionAnswer]:
    """Computed from the events, so never stale. What `expand` adds is as of `as_of_position`, which includes them."""
    reads = reads_of(request)
    about = await _events_of(reads, account_id, deduction_id)
    told = deduction_fields(deduction_id, about)
    if told is None:
        await known_account(reads.ledger, account_id)
        raise DeductionNotFound(deduction_id)
    [told] = await with_descriptions(reads.ledger.log, account_id, [told])
    expanded = await expand_deduction(reads, account_id, told, about[-1].position, names_in(query.expand))
    return JsonAnswer({"account_id": account_id, **told, **expanded})


@router.get(
    "/v1/accounts/{account_id}/transfers/{transfer_id}",
    responses=_problems("transfer_not_found"),
    summary="One transfer that the account has sent, and whether it was reversed",
)
async def one_transfer(
    request: Request, account_id: AccountId, transfer_id: ThingId, query: Annotated[_Nothing, Query()]
) -> JsonAnswer[TransferAnswer]:
    """Computed from the events, so never stale."""
    reads = reads_of(request)
    told = transfer_fields(transfer_id, await _events_of(reads, account_id, transfer_id))
    if told is None:
        await known_account(reads.ledger, account_id)
        raise TransferNotFound(transfer_id)
    [told] = await with_descriptions(reads.ledger.log, account_id, [told])
    return JsonAnswer({"account_id": account_id, **told})


async def _events_of(reads: Reads, account_id: str, thing_id: str) -> list[Logged]:
    """The event that made a thing, and those about it."""
    return read(await reads.ledger.about(account_id, thing_id))
