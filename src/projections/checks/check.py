"""The check: it compares the projections with the events and reports differences. It never repairs anything.

It compares the rows of some accounts with rows that are made again from their events, and with the state that the
domain folds from the same events. It compares all accounts together by their sums. One comparison uses one snapshot,
and compares each projection at its own position, so nothing has to stop for it.
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
from ledger.store import FalseSnapshot, UnreadableEvent
from projections.checks.refold import REFOLDED, SQL, CannotFold, Connection, refold
from projections.engine.builds import BuildState, build_states, live
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection, Table

MOST = 10
"""The largest number of rows that are listed for an account and table; for all accounts together, ten times that."""
EVENTS = "events"
"""The name in place of a table when an account's events cannot be folded."""
_TRIES = 3
_GONE = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.InFailedSqlTransaction,  # what `build_states` raises when it reads again
)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """The expected and the found values of a row; None where there is no row. Without an account, it is about all."""

    account_id: str
    projection: str
    table: str
    key: Row
    expected: Row | None
    found: Row | None

    @property
    def text(self) -> str:
        """The difference in one line."""
        place = ", ".join(f"{name} {value}" for name, value in self.key.items())
        where = f"{self.projection}.{self.table}" + (f" ({place})" if place else "")
        return f"{f'account {self.account_id}' if self.account_id else 'all accounts'}: {where} {self._what}"

    @property
    def _what(self) -> str:
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
    """The result of a check: what was compared at which positions, the differences, and what could not be compared."""

    accounts: int = 0
    events: int = 0
    positions: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    unchecked: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Checked") -> None:
        """Add the result of another part of the same check."""
        self.accounts += other.accounts
        self.events += other.events
        self.positions |= other.positions
        self.differences += other.differences
        self.unchecked |= other.unchecked


async def check_accounts(connection: Connection, accounts: Sequence[str]) -> Checked:
    """Compare some accounts. `connection` comes from refold.connect. Raises psycopg.Error when the database is lost."""
    try:
        return await _at_one_moment(connection, lambda: _accounts(connection, list(accounts)))
    except (CannotFold, UnreadableEvent) as problem:
        if len(accounts) > 1:
            return await _one_by_one(connection, accounts)
        return _not_folded(accounts[0], problem)


async def check_totals(connection: Connection) -> Checked:
    """Compare the sums over all accounts. This reads every row of every projection."""
    return await _at_one_moment(connection, lambda: _totals(connection))


async def _at_one_moment(connection: Connection, compare: Callable[[], Awaitable[Checked]]) -> Checked:
    """Compare in one transaction, and again when a build was replaced meanwhile, so that a name changed its meaning."""
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
    """The positions of the projections that can be compared, and why the others cannot."""
    found = await build_states(connection, [live(projection) for projection in PROJECTIONS])
    problems = {projection: _problem(projection, found.get(projection.schema)) for projection in PROJECTIONS}
    positions = {one: found[one.schema].position for one, problem in problems.items() if problem is None}
    return positions, {one.name: problem for one, problem in problems.items() if problem is not None}


def _problem(projection: Projection, at: BuildState | None) -> str | None:
    if at is None:
        return "it is not built; `credit-ledger serve` and `credit-ledger migrate` build it"
    if at.version != projection.version:
        return f"it was built as version {at.version}; this program has version {projection.version}"
    if at.stopped_at is not None:
        return f"it stopped at position {at.stopped_at}: {(at.problem or 'the reason is unknown').splitlines()[0]}"
    return None


# Accounts ------------------------------------------------------------------------------------------------------


async def _accounts(connection: Connection, accounts: list[str]) -> Checked:
    positions, unchecked = await _standing(connection)
    compared = {projection: positions[projection] for projection in REFOLDED if projection in positions}
    folded = await refold(connection, accounts, compared)
    checked = Checked(len(accounts), folded.events, unchecked=unchecked)
    checked.differences += [_of_snapshot(false) for false in folded.snapshots]
    for projection, position in compared.items():
        checked.positions[projection.name] = position
        for table in projection.tables:
            wrong = await _differing(connection, projection, table, accounts)
            reported = {difference.account_id for difference in wrong}
            rest = {name: account for name, account in folded.accounts[position].items() if name not in reported}
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
    """The rows of one table that differ from those that the events make."""
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
    """Pairs of expected and found rows with the same key. The second of two equal rows has no partner."""
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
    """Reduce a row that is on both sides to the columns that differ."""
    if expected is None or found is None:
        return expected, found
    differ = [name for name in expected if expected[name] != found.get(name)]
    return {name: expected[name] for name in differ}, {name: found.get(name) for name in differ}


async def _with_owners(connection: Connection, differences: Sequence[Difference]) -> list[Difference]:
    """Report a wrong group for each account that uses it, because a group belongs to no account."""
    if not differences:
        return []
    groups = [difference.key["group_id"] for difference in differences]
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for group_id, account_id in await (await connection.execute(SQL["using_groups"], {"groups": groups})).fetchall():
        owners[group_id].append(account_id)
    return [replace(one, account_id=owner) for one in differences for owner in owners[one.key["group_id"]]]


# Comparison with the domain ------------------------------------------------------------------------

Rows = dict[tuple[str, int | None], Row]
"""The rows of accounts in one table, by account and, where an account has several rows, by a number."""


async def _against_the_domain(
    connection: Connection, projection: Projection, table: Table, accounts: Mapping[str, Account]
) -> list[Difference]:
    """The rows of a table that differ from the state that the domain folds, for the tables that the domain knows."""
    statement = SQL.get(f"known_{table.name}")
    if statement is None or not accounts:
        return []
    expected: Rows = {(name, number): row for name in accounts for number, row in _known(table, accounts[name])}
    found: Rows = {}
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
    """The rows that a table must have for an account, according to the domain."""
    balance = account.balance
    both = {"subscription": balance.subscription, "permanent": balance.permanent}
    match table.name:
        case "accounts":
            standing = {"version": account.version, "standing": account.standing, "successor": account.successor}
            times = {"last_activity_at": account.recorded_at, "subscription_expire_at": balance.subscription_expire_at}
            yield None, _plainly({**standing, **times, **both, "held": balance.held, "total": balance.total})
        case "labels":
            if account.profile.labels:
                yield None, {"labels": dict(account.profile.labels)}
        case "grants":
            for lot in account.lots:
                row = {"kind": lot.kind, "remaining": lot.remaining, "coming": 0, "expires_at": lot.expires_at}
                yield int(lot.grant_id[4:]), _plainly(row)
            for grant in account.coming:
                row = {"kind": grant.kind, "remaining": 0, "coming": grant.amount, "expires_at": grant.expires_at}
                yield int(grant.grant_id[4:]), _plainly(row)
        case "holds":
            for hold in account.holds:
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
    """A value as in JSON. Sums are decimals without a fraction."""
    if isinstance(value, datetime):
        return value.isoformat()
    return int(value) if isinstance(value, Decimal) else value


def _of_snapshot(false: FalseSnapshot) -> Difference:
    """The difference of a kept snapshot, from which the service could load an account."""
    version, expected, found = {"version": false.version}, {"digest": false.expected}, {"digest": false.found}
    return Difference(false.account_id, "ledger", "snapshots", version, expected, found)


# All accounts together -----------------------------------------------------------------------------------------


async def _totals(connection: Connection) -> Checked:
    positions, unchecked = await _standing(connection)
    named = {projection.name: position for projection, position in positions.items()}
    if unchecked:
        return Checked(unchecked=unchecked)
    if len(set(named.values())) > 1:
        places = ", ".join(f"{name} at {position}" for name, position in named.items())
        return Checked(unchecked={"totals": f"the projections are at different positions: {places}"})
    cursor = await connection.execute(SQL["totals"], {"limit": 10 * MOST})
    rows = await cursor.fetchall()
    return Checked(positions=named, differences=[_of_all(*row) for row in rows])


def _of_all(projection: str, table: str, key: Row, expected: Row | None, found: Row | None) -> Difference:
    return Difference("", projection, table, key, *_narrowed(expected, found))


def _listed(row: Row) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in row.items() if value is not None)


def _value(value: Any) -> str:
    return "nothing" if value is None else str(value)
