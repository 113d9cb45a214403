"""Lists over HTTP: an account's grants, holds and payments, and, for operators, all accounts."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from api.contract.bodies import ONE_LINE
from api.contract.cursors import MAX_CURSOR, List, cursor, key_of
from api.contract.view_schemas import AccountsAnswer, GrantsAnswer, HoldsAnswer, PaymentsAnswer
from api.http.queries import (
    FIRST_PAGE,
    MAX_PAGE,
    PROBLEMS,
    PROBLEMS_OF_ALL,
    AccountId,
    Page,
    Visible,
    as_of,
    json_response,
    known_account,
    reader_of,
)
from api.http.reads import Reads, reads_of
from ledger.domain.amounts import Balance
from ledger.domain.commands import MAX_ID
from ledger.domain.events import PaymentStatus
from ledger.explain.as_json import balance_fields
from ledger.readable_texts import with_descriptions
from projections.models.balances.projection import BALANCES, PLACES
from projections.models.balances.queries import Sort, accounts_page, grants_page, holds_page
from projections.models.payments.projection import PAYMENTS
from projections.models.payments.queries import page as payments_page
from projections.models.views import Snapshot

router = APIRouter(tags=["queries"])

GrantStatus = Literal["open", "spent", "expired", "voided"]
HoldStatus = Literal["open", "captured", "released", "expired"]
_NEWEST = 2**63 - 1


class _Page(Visible):
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=MAX_CURSOR, description="the `next_cursor` of the page before")

    @property
    def page(self) -> Page:
        """Which page it is."""
        return Page(self.limit, self.cursor, self.min_position)


class _Grants(_Page):
    status: GrantStatus | None = Field(None, description="default: all")


class _Holds(_Page):
    status: HoldStatus | None = Field(None, description="default: all")


class _Payments(_Page):
    status: PaymentStatus | None = Field(None, description="default: all")


class _Accounts(_Page):
    prefix: str = Field("", max_length=MAX_ID, pattern=ONE_LINE, description="what their ids begin with")
    sort: Sort = Field("account_id", description="by id, or those with the most credits or the last activity first")


@router.get(
    "/v1/accounts/{account_id}/grants",
    response_model=GrantsAnswer,
    responses=PROBLEMS,
    summary="Grants, and what became of them",
)
async def grants(request: Request, account_id: AccountId, query: Annotated[_Grants, Query()]) -> Response:
    """Newest first. amount = remaining + held + spent + lapsed + voided. Scope `ledger:read`."""
    await reader_of(request)
    return json_response(await grants_of(reads_of(request), account_id, query.status, query.page))


async def grants_of(
    reads: Reads, account_id: str, status: GrantStatus | None = None, page: Page = FIRST_PAGE
) -> dict[str, Any]:
    """What is answered. Raises Problem, AccountNotFound, NotYetVisible and NotBuilt."""
    of = ("grants", account_id, status)
    async with reads.views.snapshot(BALANCES, at_least=page.min_position) as moment:
        rows = await grants_page(
            moment,
            account_id,
            now=reads.clock(),
            before=_before(page, of),
            status=status,
            limit=page.limit + 1,
        )
    shown = await with_descriptions(reads.ledger.log, account_id, [_grant(row) for row in rows])
    keys = [cursor(of, row["number"]) for row in rows]
    return await _page(reads, account_id, page, moment, {"grants": shown}, keys)


@router.get(
    "/v1/accounts/{account_id}/holds",
    response_model=HoldsAnswer,
    responses=PROBLEMS,
    summary="Holds, open and ended",
)
async def holds(request: Request, account_id: AccountId, query: Annotated[_Holds, Query()]) -> Response:
    """Newest first. Scope `ledger:read`."""
    await reader_of(request)
    return json_response(await holds_of(reads_of(request), account_id, query.status, query.page))


async def holds_of(
    reads: Reads, account_id: str, status: HoldStatus | None = None, page: Page = FIRST_PAGE
) -> dict[str, Any]:
    """What is answered. Raises Problem, AccountNotFound, NotYetVisible and NotBuilt."""
    of = ("holds", account_id, status)
    async with reads.views.snapshot(BALANCES, at_least=page.min_position) as moment:
        rows = await holds_page(
            moment,
            account_id,
            now=reads.clock(),
            before=_before(page, of),
            status=status,
            limit=page.limit + 1,
        )
    shown = await with_descriptions(reads.ledger.log, account_id, [_hold(row) for row in rows])
    keys = [cursor(of, row["number"]) for row in rows]
    return await _page(reads, account_id, page, moment, {"holds": shown}, keys)


@router.get(
    "/v1/accounts/{account_id}/payments",
    response_model=PaymentsAnswer,
    responses=PROBLEMS,
    summary="Payments, and the grants that they paid for",
)
async def payments(request: Request, account_id: AccountId, query: Annotated[_Payments, Query()]) -> Response:
    """Newest first. Scope `ledger:read`."""
    await reader_of(request)
    return json_response(await payments_of(reads_of(request), account_id, query.status, query.page))


async def payments_of(
    reads: Reads, account_id: str, status: PaymentStatus | None = None, page: Page = FIRST_PAGE
) -> dict[str, Any]:
    """What is answered. Raises Problem, AccountNotFound, NotYetVisible and NotBuilt."""
    of = ("payments", account_id, status)
    async with reads.views.snapshot(PAYMENTS, BALANCES, at_least=page.min_position) as moment:
        rows = await payments_page(
            moment,
            account_id,
            now=reads.clock(),
            before=_before(page, of),
            status=status,
            limit=page.limit + 1,
        )
    keys = [cursor(of, row["version"]) for row in rows]
    return await _page(reads, account_id, page, moment, {"payments": [_payment(row) for row in rows]}, keys)


@router.get(
    "/v1/accounts",
    response_model=AccountsAnswer,
    responses=PROBLEMS_OF_ALL,
    summary="Accounts with their balances",
)
async def accounts(request: Request, query: Annotated[_Accounts, Query()]) -> Response:
    """For operators; balances as of the last event of each account. Scope `ledger:read`."""
    await reader_of(request)
    return json_response(await accounts_of(reads_of(request), query.prefix, query.sort, query.page))


async def accounts_of(
    reads: Reads, prefix: str = "", sort: Sort = "account_id", page: Page = FIRST_PAGE
) -> dict[str, Any]:
    """What is answered. Raises Problem, NotYetVisible and NotBuilt."""
    of = ("accounts", prefix, sort)
    kinds: dict[Sort, tuple[type, ...]] = {
        "account_id": (str, str),
        "balance": (int, str),
        "activity": (datetime, str),
    }
    column = {"account_id": "account_id", "balance": "total", "activity": "last_activity_at"}[sort]
    after = key_of(page.cursor, of, kinds[sort])
    async with reads.views.snapshot(BALANCES, at_least=page.min_position) as moment:
        rows = await accounts_page(moment, sort, prefix=prefix, after=after, limit=page.limit + 1)
    keys = [cursor(of, row[column], row["account_id"]) for row in rows]
    return _listed(page, moment, {"accounts": [_account(row) for row in rows]}, keys)


def _before(page: Page, of: List) -> int:
    """The number below which a page begins."""
    key = key_of(page.cursor, of, (int,))
    return key[0] if key else _NEWEST


async def _page(
    reads: Reads, account_id: str, page: Page, moment: Snapshot, shown: dict[str, list[Any]], keys: list[str]
) -> dict[str, Any]:
    if not keys:
        await known_account(reads.ledger, account_id)
    return _listed(page, moment, shown, keys)


def _listed(page: Page, moment: Snapshot, shown: dict[str, list[Any]], keys: list[str]) -> dict[str, Any]:
    """One page; one row more than asked for says that there is another."""
    [(name, rows)] = shown.items()
    more = len(rows) > page.limit
    return as_of(moment, **{name: rows[: page.limit], "next_cursor": keys[page.limit - 1] if more else None})


def _grant(row: dict[str, Any]) -> dict[str, Any]:
    now = {name: row[f"{name}_now" if name in {"remaining", "lapsed"} else name] for name in PLACES}
    return {
        "grant_id": f"grt_{row['number']}",
        "kind": row["kind"],
        "source": row["source"],
        "status": row["status_now"],
        "amount": row["amount"],
        **now,
        "granted_at": row["granted_at"],
        "expires_at": row["expires_at"],
        "transaction_id": row["transaction_id"],
        "payment_id": row["payment_id"],
        "description": row["description"],
    }


def _hold(row: dict[str, Any]) -> dict[str, Any]:
    ended = row["status"] != row["status_now"]
    return {
        "hold_id": f"hld_{row['number']}",
        "status": row["status_now"],
        "amount": row["amount"],
        "held": 0 if ended else row["held"],
        "captured": row["captured"],
        "placed_at": row["placed_at"],
        "expires_at": row["expires_at"],
        "ended_at": row["expires_at"] if ended else row["ended_at"],
        "task_id": row["task_id"],
        "description": row["description"],
    }


def _payment(row: dict[str, Any]) -> dict[str, Any]:
    names = ("payment_id", "provider", "status", "amount_minor", "refunded_minor", "currency", "plan")
    shown = {name: row[name] for name in (*names, "recorded_at", "refunded_at", "version")}
    return shown | {"grants": [_bought(part) for part in row["grants"]]}


def _bought(part: dict[str, Any]) -> dict[str, Any]:
    """One grant; the database wrote its time, which is to look like all others."""
    expires_at = part["expires_at"]
    return part | {"expires_at": datetime.fromisoformat(expires_at).astimezone(UTC) if expires_at else None}


def _account(row: dict[str, Any]) -> dict[str, Any]:
    balance = Balance(row["subscription"], row["permanent"], row["held"], row["subscription_expire_at"])
    return {
        "account_id": row["account_id"],
        "standing": row["standing"],
        **balance_fields(balance),
        "opened_at": row["opened_at"],
        "last_activity_at": row["last_activity_at"],
        "version": row["version"],
    }
