"""The check: are the projections what the events add up to? It reads, compares and says; it never mends.

Some accounts are compared row by row with what their events make of them now, and with what the domain makes of the
same events; all accounts together are compared by their sums. Everything in one comparison is of one moment, and each
projection is compared at the position that it stands at, so nobody has to stop for it.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from ledger.domain.account import Account
from ledger.store import UnreadableEvent
from projections.checks.refold import REFOLDED, SQL, CannotFold, Connection, refold
from projections.engine.builds import Checkpoint, checkpoints, live
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection, Table

MOST = 10
"""Rows of one table that are listed for one account; for all accounts together, ten times as many."""
EVENTS = "events"
"""What stands in place of a table where an account's events cannot be folded at all."""
_TRIES = 3
_GONE = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.InFailedSqlTransaction,  # what `checkpoints` comes to when it looks again
)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """What is expected of a row and what was found; None where there is no row. No account: it is about all of them."""

    account_id: str
    projection: str
    table: str
    key: Row
    expected: Row | None
    found: Row | None

    @property
    def words(self) -> str:
        """One line for people."""
        place = ", ".join(f"{name} {value}" for name, value in self.key.items())
        where = f"{self.projection}.{self.table}" + (f" ({place})" if place else "")
        return f"{f'account {self.account_id}' if self.account_id else 'all accounts'}: {where} {self._said}"

    @property
    def _said(self) -> str:
        if self.expected is None:
            return f"has a row that no event explains: {_listed(self.found or {})}"
        if self.found is None:
            return f"lacks a row that the events make: {_listed(self.expected)}"
        return ", ".join(
            f"{name} is {_value(self.found.get(name))}, expected {_value(value)}"
            for name, value in self.expected.items()
        )


@dataclass(slots=True)
class Checked:
    """What was compared, at which positions, what differed, and what could not be compared and why."""

    accounts: int = 0
    events: int = 0
    positions: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    unchecked: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Checked") -> None:
        """Take in another piece of the same check."""
        self.accounts += other.accounts
        self.events += other.events
        self.positions |= other.positions
        self.differences += other.differences
        self.unchecked |= other.unchecked


async def check_accounts(connection: Connection, accounts: Sequence[str]) -> Checked:
    """Compare some accounts, on a connection of refold.connect. Raises psycopg.Error when the database is lost."""
    try:
        return await _at_one_moment(connection, lambda: _accounts(connection, list(accounts)))
    except (CannotFold, UnreadableEvent) as problem:
        if len(accounts) > 1:
            return await _one_by_one(connection, accounts)
        return _not_folded(accounts[0], problem)


async def check_totals(connection: Connection) -> Checked:
    """Compare the sums over all accounts. It reads every row of every projection."""
    return await _at_one_moment(connection, lambda: _totals(connection))


async def _at_one_moment(connection: Connection, compare: Callable[[], Awaitable[Checked]]) -> Checked:
    """Compare in one transaction, and again if a projection was replaced meanwhile: a name then had two meanings."""
    for _ in range(_TRIES):
        before = await _schemas(connection)
        try:
            async with connection.transaction():
                checked = await compare()
        except _GONE:
            continue
        if await _schemas(connection) == before:
            return checked
    return Checked(unchecked={projection.name: "it was being replaced" for projection in PROJECTIONS})


async def _schemas(connection: Connection) -> list[Any]:
    cursor = await connection.execute(SQL["schemas"], {})
    return await cursor.fetchall()


async def _standing(connection: Connection) -> tuple[dict[Projection, int], dict[str, str]]:
    """The positions of the projections that can be compared, and what is wrong with the others."""
    found = await checkpoints(connection, [live(projection) for projection in PROJECTIONS])
    problems = {projection: _problem(projection, found.get(projection.schema)) for projection in PROJECTIONS}
    positions = {one: found[one.schema].position for one, problem in problems.items() if problem is None}
    return positions, {one.name: problem for one, problem in problems.items() if problem is not None}


def _problem(projection: Projection, at: Checkpoint | None) -> str | None:
    if at is None:
        return "it is not built; `credit-ledger serve` and `credit-ledger migrate` build it"
    if at.version != projection.version:
        return f"it was built as version {at.version}; this program has version {projection.version}"
    if at.stopped_at is not None:
        return f"it stopped at position {at.stopped_at}: {(at.problem or 'nobody knows why').splitlines()[0]}"
    return None


# Accounts ------------------------------------------------------------------------------------------------------


async def _accounts(connection: Connection, accounts: list[str]) -> Checked:
    positions, unchecked = await _standing(connection)
    compared = {projection: positions[projection] for projection in REFOLDED if projection in positions}
    folded = await refold(connection, accounts, compared)
    checked = Checked(len(accounts), folded.events, unchecked=unchecked)
    for projection, position in compared.items():
        checked.positions[projection.name] = position
        for table in projection.tables:
            wrong = await _differing(connection, projection, table, accounts)
            said = {difference.account_id for difference in wrong}
            rest = {name: account for name, account in folded.accounts[position].items() if name not in said}
            checked.differences += wrong + await _against_the_domain(connection, projection, table, rest)
    return checked


async def _one_by_one(connection: Connection, accounts: Sequence[str]) -> Checked:
    checked = Checked()
    for account_id in accounts:
        checked.add(await check_accounts(connection, [account_id]))
    return checked


def _not_folded(account_id: str, problem: CannotFold | UnreadableEvent) -> Checked:
    if isinstance(problem, UnreadableEvent):
        return Checked(1, unchecked={f"account {account_id}": str(problem)})
    rule, broken = {EVENTS: "follow from each other"}, {EVENTS: f"do not: {problem}"}
    return Checked(1, differences=[Difference(account_id, problem.projection, EVENTS, {}, rule, broken)])


async def _differing(
    connection: Connection, projection: Projection, table: Table, accounts: Sequence[str]
) -> list[Difference]:
    """Rows of one table that are not what the events make of them."""
    scope = "of_accounts" if table.of_accounts else "of_what_is_expected"
    names = {
        "live": sql.Identifier(projection.schema, table.name),
        "refolded": sql.Identifier("pg_temp", table.name),
        "key": sql.SQL(", ").join(map(sql.Identifier, table.key)),
        "places": sql.SQL(", ").join(sql.SQL("line -> {}").format(sql.Literal(name)) for name in table.key),
        "limit": sql.Literal(MOST),
    }
    statement = sql.SQL(SQL["differing"]).format(**names, scope=sql.SQL(SQL[scope]).format(**names))
    cursor = await connection.execute(statement, {"accounts": accounts})
    found = [_difference(projection, table, *pair) for pair in _pairs(table, await cursor.fetchall())]
    return found if table.of_accounts else await _with_owners(connection, found)


def _pairs(table: Table, rows: Iterable[tuple[str, Row]]) -> Iterator[tuple[Row | None, Row | None]]:
    """What is expected with what was found, by keys; a row that is there twice has no partner the second time."""
    sides: defaultdict[str, dict[str, list[Row]]] = defaultdict(lambda: {"expected": [], "found": []})
    for side, row in rows:
        sides[str([row[name] for name in table.key])][side].append(row)
    for both in sides.values():
        yield from zip_longest(both["expected"], both["found"])


def _difference(projection: Projection, table: Table, expected: Row | None, found: Row | None) -> Difference:
    some = expected or found or {}
    key = {name: some[name] for name in table.key if name != "account_id"}
    return Difference(some.get("account_id", ""), projection.name, table.name, key, *_narrowed(expected, found))


def _narrowed(expected: Row | None, found: Row | None) -> tuple[Row | None, Row | None]:
    """Of a row that is on both sides, what differs alone."""
    if expected is None or found is None:
        return expected, found
    differ = [name for name in expected if expected[name] != found.get(name)]
    return {name: expected[name] for name in differ}, {name: found.get(name) for name in differ}


async def _with_owners(connection: Connection, differences: Sequence[Difference]) -> list[Difference]:
    """A group belongs to no account; what is wrong with it is wrong for each account that uses it."""
    if not differences:
        return []
    groups = [difference.key["group_id"] for difference in differences]
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for group_id, account_id in await (await connection.execute(SQL["using_groups"], {"groups": groups})).fetchall():
        owners[group_id].append(account_id)
    return [replace(one, account_id=owner) for one in differences for owner in owners[one.key["group_id"]]]


# The domain's own account of an account ------------------------------------------------------------------------

Said = dict[tuple[str, int | None], Row]
"""What is said of accounts in one table: by account, and by a number where there are several rows."""


async def _against_the_domain(
    connection: Connection, projection: Projection, table: Table, accounts: Mapping[str, Account]
) -> list[Difference]:
    """What a table says otherwise than the domain, as far as the domain has something to say of it."""
    statement = SQL.get(f"known_{table.name}")
    if statement is None or not accounts:
        return []
    expected: Said = {(name, number): row for name in accounts for number, row in _known(table, accounts[name])}
    found: Said = {}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, {"accounts": list(accounts)})
        for row in await cursor.fetchall():
            place = row.pop("account_id"), row.pop("number")
            found[place] = _plainly(row)
    return [
        Difference(place[0], projection.name, table.name, _numbered(table, place[1]), *_narrowed(*sides))
        for place in sorted({*expected, *found}, key=str)
        if (sides := (expected.get(place), found.get(place)))[0] != sides[1]
    ]


def _known(table: Table, account: Account) -> Iterator[tuple[int | None, Row]]:
    """What the domain says of an account, in the words of a table."""
    balance = account.balance
    both = {"subscription": balance.subscription, "permanent": balance.permanent}
    match table.name:
        case "accounts":
            standing = {"version": account.version, "standing": account.standing, "held": balance.held}
            times = {"last_activity_at": account.recorded_at, "subscription_expire_at": balance.subscription_expire_at}
            yield None, _plainly({**standing, **times, **both, "total": balance.total})
        case "grants":
            for lot in account.lots:
                row = {"kind": lot.kind, "remaining": lot.remaining, "expires_at": lot.expires_at}
                yield int(lot.grant_id[4:]), _plainly(row)
        case "holds":
            for hold in account.holds.values():
                yield int(hold.hold_id[4:]), _plainly({"held": hold.amount, "expires_at": hold.expires_at})
        case "entries":
            yield None, {f"sum of {kind}": credits for kind, credits in both.items()} | {"last balance": balance.total}
        case "rollups":
            for width in (15, 60):
                yield width, {f"last {kind}": credits for kind, credits in both.items()} | {"sum": balance.total}
        case _:
            pass


def _numbered(table: Table, number: int | None) -> Row:
    if number is None:
        return {}
    return {"width" if table.name == "rollups" else "number": number}


def _plainly(row: Row) -> Row:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    """A value as JSON has it. Sums come as decimals; all of them are whole."""
    if isinstance(value, datetime):
        return value.isoformat()
    return int(value) if isinstance(value, Decimal) else value


# All accounts together -----------------------------------------------------------------------------------------


async def _totals(connection: Connection) -> Checked:
    positions, unchecked = await _standing(connection)
    named = {projection.name: position for projection, position in positions.items()}
    if unchecked:
        return Checked(unchecked=unchecked)
    if len(set(named.values())) > 1:
        places = ", ".join(f"{name} at {position}" for name, position in named.items())
        return Checked(unchecked={"totals": f"the projections do not stand at one position: {places}"})
    cursor = await connection.execute(SQL["totals"], {"limit": 10 * MOST})
    rows = await cursor.fetchall()
    return Checked(positions=named, differences=[_of_all(*row) for row in rows])


def _of_all(projection: str, table: str, key: Row, expected: Row | None, found: Row | None) -> Difference:
    return Difference("", projection, table, key, *_narrowed(expected, found))


def _listed(row: Row) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in row.items() if value is not None)


def _value(value: Any) -> str:
    return "nothing" if value is None else str(value)
