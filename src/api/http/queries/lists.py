"""The routes of lists: the grants, holds and payments of an account, and, for operators, all accounts and uncollected
amounts."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field, WithJsonSchema, model_validator

from api.contract.answers.answer import ListPage
from api.contract.answers.lists import (
    AccountsAnswer,
    GrantsAnswer,
    GrantStatus,
    HoldsAnswer,
    HoldStatus,
    PaymentsAnswer,
    UncollectedAnswer,
    UncollectedStatus,
    grant,
    hold,
    listed_account,
    payment,
    uncollected_deduction,
)
from api.contract.bodies import ONE_LINE, Labels
from api.contract.cursors import MAX_CURSOR, List
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import (
    FIRST_PAGE,
    MAX_PAGE,
    PROBLEMS,
    PROBLEMS_OF_ALL,
    AccountId,
    Page,
    Visible,
    as_of,
    known_account,
)
from api.http.queries.reads import Reads, reads_of
from api.http.queries.things.expanding import (
    MAX_PAYMENTS,
    NOTHING,
    OfPayments,
    add_grants_of_payments,
    finish_payments,
    names_in,
)
from ledger.domain.account import Standing
from ledger.domain.commands import MAX_ID
from ledger.domain.events import PaymentStatus
from ledger.domain.profile import LABEL_NAME, MAX_LABEL_VALUE
from ledger.readable_texts import with_descriptions
from projections.models.balances.projection import BALANCES
from projections.models.balances.queries import ALL_ACCOUNTS, Filters, Sort, accounts_page, grants_page, holds_page
from projections.models.payments.projection import PAYMENTS
from projections.models.payments.queries import page as payments_page
from projections.models.uncollected.projection import UNCOLLECTED
from projections.models.uncollected.queries import page as uncollected_page
from projections.models.views import Snapshot

router = APIRouter(route_class=AnswerRoute, tags=["queries"])

_NEWEST = 2**63 - 1
LABEL = "label."
"""The beginning of the parameters that filter by a label."""


class _Page(Visible):
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=MAX_CURSOR, description="the `next_cursor` of the previous page")

    @property
    def page(self) -> Page:
        """The page that the parameters ask for."""
        return Page(self.limit, self.cursor, self.min_position)


class _Grants(_Page):
    status: GrantStatus | None = Field(None, description="default: all")


class _Holds(_Page):
    status: HoldStatus | None = Field(None, description="default: all")


class _Payments(_Page):
    status: PaymentStatus | None = Field(None, description="default: all")
    expand: OfPayments | None = None


LABEL_VALUE = {"type": "string", "minLength": 1, "maxLength": MAX_LABEL_VALUE, "pattern": ONE_LINE}
# In the query, each label is a parameter of its own: an exploded object, in the words of OpenAPI.
_Labels = Annotated[
    Labels,
    WithJsonSchema(
        {
            "type": "object",
            "patternProperties": {f"^label\\.{LABEL_NAME}$": LABEL_VALUE},
            "additionalProperties": False,
        }
    ),
]


class _Accounts(_Page):
    prefix: str = Field("", max_length=MAX_ID, pattern=ONE_LINE, description="the prefix of the ids")
    standing: Standing | None = Field(None, description="default: all")
    label: _Labels = Field(
        {}, description="such as `label.plan=pro`; an account must have all labels that the query names"
    )
    sort: Sort = Field("account_id", description="by id, by credits (most first) or by activity (latest first)")

    @model_validator(mode="before")
    @classmethod
    def _gather_labels(cls, parameters: dict[str, str]) -> dict[str, Any]:
        """Gather the parameters that filter by a label."""
        labels = {name.removeprefix(LABEL): value for name, value in parameters.items() if name.startswith(LABEL)}
        others = {name: value for name, value in parameters.items() if not name.startswith(LABEL)}
        return {**others, "label": labels} if labels else others

    @property
    def filters(self) -> Filters:
        """The accounts that the parameters ask for."""
        return Filters(self.prefix, self.standing, tuple(sorted(self.label.items())))


class _Uncollected(_Page):
    account_id: str | None = Field(None, min_length=1, max_length=MAX_ID, pattern=ONE_LINE, description="default: all")
    status: Literal["open"] | None = Field(None, description="`open`: only what is left to collect; default: all")


@router.get(
    "/v1/accounts/{account_id}/grants",
    responses=PROBLEMS,
    summary="Grants, with where their credits are",
)
async def grants(
    request: Request, account_id: AccountId, query: Annotated[_Grants, Query()]
) -> JsonAnswer[GrantsAnswer]:
    """Newest first. amount = remaining + held + spent + lapsed + voided + sent."""
    return JsonAnswer(await grants_of(reads_of(request), account_id, query.status, query.page))


async def grants_of(
    reads: Reads, account_id: str, status: GrantStatus | None = None, page: Page = FIRST_PAGE
) -> GrantsAnswer:
    """Query one page. Raises Problem, AccountNotFound, NotYetVisible and NotBuilt."""
    of = ("grants", account_id, status)
    async with reads.views.snapshot(BALANCES, at_least=page.min_position) as moment:
        rows = await grants_page(
            moment,
            account_id,
            now=reads.clock(),
            before=_before(reads, page, of),
            status=status,
            limit=page.limit + 1,
        )
    if not rows:
        await known_account(reads.ledger, account_id)
    grants = await with_descriptions(reads.ledger.log, account_id, [grant(row) for row in rows[: page.limit]])
    return {**_head(page, moment, [reads.cursors.make(of, row["number"]) for row in rows]), "grants": grants}


@router.get(
    "/v1/accounts/{account_id}/holds",
    responses=PROBLEMS,
    summary="Holds, open and resolved",
)
async def holds(request: Request, account_id: AccountId, query: Annotated[_Holds, Query()]) -> JsonAnswer[HoldsAnswer]:
    """Newest first."""
    return JsonAnswer(await holds_of(reads_of(request), account_id, query.status, query.page))


async def holds_of(
    reads: Reads, account_id: str, status: HoldStatus | None = None, page: Page = FIRST_PAGE
) -> HoldsAnswer:
    """Query one page. Raises Problem, AccountNotFound, NotYetVisible and NotBuilt."""
    of = ("holds", account_id, status)
    async with reads.views.snapshot(BALANCES, at_least=page.min_position) as moment:
        rows = await holds_page(
            moment,
            account_id,
            now=reads.clock(),
            before=_before(reads, page, of),
            status=status,
            limit=page.limit + 1,
        )
    if not rows:
        await known_account(reads.ledger, account_id)
    holds = await with_descriptions(reads.ledger.log, account_id, [hold(row) for row in rows[: page.limit]])
    return {**_head(page, moment, [reads.cursors.make(of, row["number"]) for row in rows]), "holds": holds}


@router.get(
    "/v1/accounts/{account_id}/payments",
    responses=PROBLEMS,
    summary="Payments, and the grants that they paid for",
)
async def payments(
    request: Request, account_id: AccountId, query: Annotated[_Payments, Query()]
) -> JsonAnswer[PaymentsAnswer]:
    """Newest first. With `expand` a page has 100 payments at most."""
    names, page = names_in(query.expand), query.page
    if names:
        page = page._replace(limit=min(page.limit, MAX_PAYMENTS))
    return JsonAnswer(await payments_of(reads_of(request), account_id, query.status, page, names))


async def payments_of(
    reads: Reads,
    account_id: str,
    status: PaymentStatus | None = None,
    page: Page = FIRST_PAGE,
    names: frozenset[str] = NOTHING,
) -> PaymentsAnswer:
    """Query one page, with what is to be expanded. Raises Problem, AccountNotFound, NotYetVisible and NotBuilt."""
    of, now = ("payments", account_id, status), reads.clock()
    async with reads.views.snapshot(PAYMENTS, BALANCES, at_least=page.min_position) as moment:
        rows = await payments_page(
            moment,
            account_id,
            now=now,
            before=_before(reads, page, of),
            status=status,
            limit=page.limit + 1,
        )
        payments = [payment(row) for row in rows[: page.limit]]
        grants = await add_grants_of_payments(moment, account_id, payments, now) if "grants" in names else []
    if not rows:
        await known_account(reads.ledger, account_id)
    await finish_payments(reads, account_id, payments, grants, names)
    head = _head(page, moment, [reads.cursors.make(of, row["version"]) for row in rows])
    return {**head, "payments": payments}


@router.get(
    "/v1/accounts",
    responses=PROBLEMS_OF_ALL,
    summary="Accounts with their balances",
)
async def accounts(request: Request, query: Annotated[_Accounts, Query()]) -> JsonAnswer[AccountsAnswer]:
    """For operators. Each balance is that after the last event of the account."""
    return JsonAnswer(await accounts_of(reads_of(request), query.filters, query.sort, query.page))


async def accounts_of(
    reads: Reads, filters: Filters = ALL_ACCOUNTS, sort: Sort = "account_id", page: Page = FIRST_PAGE
) -> AccountsAnswer:
    """Query one page. Raises Problem, NotYetVisible and NotBuilt."""
    of = ("accounts", filters.prefix, sort, filters.standing, filters.labels)
    kinds: dict[Sort, tuple[type, ...]] = {
        "account_id": (str, str),
        "balance": (int, str),
        "activity": (datetime, str),
    }
    column = {"account_id": "account_id", "balance": "total", "activity": "last_activity_at"}[sort]
    after = reads.cursors.read(page.cursor, of, kinds[sort])
    async with reads.views.snapshot(BALANCES, at_least=page.min_position) as moment:
        rows = await accounts_page(moment, sort, filters, after=after, limit=page.limit + 1)
    head = _head(page, moment, [reads.cursors.make(of, row[column], row["account_id"]) for row in rows])
    return {**head, "accounts": [listed_account(row) for row in rows[: page.limit]]}


@router.get(
    "/v1/uncollected",
    responses=PROBLEMS_OF_ALL,
    summary="Deductions that asked for more than was available",
)
async def uncollected(request: Request, query: Annotated[_Uncollected, Query()]) -> JsonAnswer[UncollectedAnswer]:
    """For operators. Newest first, of all accounts or of one."""
    return JsonAnswer(await uncollected_of(reads_of(request), query.account_id, query.status, query.page))


async def uncollected_of(
    reads: Reads, account_id: str | None = None, status: UncollectedStatus | None = None, page: Page = FIRST_PAGE
) -> UncollectedAnswer:
    """Query one page. Raises Problem, NotYetVisible and NotBuilt."""
    of = ("uncollected", account_id, status)
    async with reads.views.snapshot(UNCOLLECTED, at_least=page.min_position) as moment:
        rows = await uncollected_page(
            moment,
            account_id=account_id,
            before=_before(reads, page, of),
            open_only=status == "open",
            limit=page.limit + 1,
        )
    head = _head(page, moment, [reads.cursors.make(of, row["position"]) for row in rows])
    return {**head, "uncollected": [uncollected_deduction(row) for row in rows[: page.limit]]}


def _before(reads: Reads, page: Page, of: List) -> int:
    """The number that all rows of the page are below."""
    key = reads.cursors.read(page.cursor, of, (int,))
    return key[0] if key else _NEWEST


def _head(page: Page, moment: Snapshot, cursors: list[str]) -> ListPage:
    """The fields before the rows. One row more than the limit is fetched, to find out if there is another page."""
    return {**as_of(moment), "next_cursor": cursors[page.limit - 1] if len(cursors) > page.limit else None}
