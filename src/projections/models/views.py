"""Views: queries to the projections. Each query is answered from one snapshot, with the position of the projections.

A caller who has just sent a command queries with the position of its answer. The query then waits until the projections
have reached that position, for a limited time. All waiting queries together read the positions every few milliseconds.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import dict_row

from ledger.postgres.errors import LOST
from ledger.postgres.pool import Configure, pool_of, statement_timeout
from ledger.together import Together
from projections.models.projection import Projection

LONGEST_WAIT = 2.0
"""The longest time, in seconds, for which a query waits for a position."""
POLL_EVERY = 0.01
"""Seconds between two reads of the positions while queries wait."""

SHARED = 16
"""The most askers that one statement answers."""
_LOOKS = 2
"""Statements for the askers of one shared question that run at the same time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PARAMETER = re.compile(r"%\((\w+)\)s")
_BEFORE = 3
"""The columns before those of a statement with the position."""
_GONE = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName)
"""How a statement fails when a projection is not built, or was built by a version with other columns."""


class NotYetVisible(Exception):
    """The projections have not reached the position that the query requires."""

    def __init__(self, wanted: int, position: int) -> None:
        super().__init__(f"position {wanted} is not visible yet; the projections are at {position}")
        self.wanted = wanted
        self.position = position


class NotBuilt(Exception):
    """A projection is missing, or was built by another version and lacks what the query needs."""


class Question(NamedTuple):
    """A statement to the projections, and its parameters."""

    statement: LiteralString
    parameters: dict[str, Any]


class SharedQuestion(NamedTuple):
    """A statement that answers many askers at once. The last column of its rows is the number of the asker, from 1.

    Each asker has a value of each of `columns`, which are packed as arrays. `parameters` are the same for all of them.
    """

    statement: LiteralString
    columns: tuple[tuple[str, Callable[[Sequence[Any]], bytes]], ...]
    parameters: tuple[tuple[str, Any], ...] = ()


class Shared(NamedTuple):
    """The rows for one asker of a shared question, with more columns, and their position. `as_of`: see Snapshot."""

    position: int
    as_of: datetime | None
    rows: list[tuple[Any, ...]]


class Answered(NamedTuple):
    """The rows of each of some questions, all at one position. `as_of` is as in a snapshot.

    The rows of several questions come as JSON, so that times in them are texts.
    """

    position: int
    as_of: datetime | None
    rows: list[list[dict[str, Any]]]


class Snapshot(NamedTuple):
    """Some projections at one position. `as_of` is when the event there was recorded; None when the log is empty."""

    connection: AsyncConnection[Any]
    position: int
    as_of: datetime | None

    async def rows(self, statement: LiteralString, **parameters: Any) -> list[dict[str, Any]]:
        """All rows of a query."""
        async with self.connection.cursor(row_factory=dict_row, binary=True) as cursor:
            await cursor.execute(statement, parameters, prepare=True)
            return await cursor.fetchall()

    async def answer(self, question: Question) -> list[dict[str, Any]]:
        """All rows of a question."""
        return await self.rows(question.statement, **question.parameters)

    async def row(self, statement: LiteralString, **parameters: Any) -> dict[str, Any] | None:
        """The first row of a query; None when there is none."""
        rows = await self.rows(statement, **parameters)
        return rows[0] if rows else None


@cache
def _position_of(projections: tuple[Projection, ...]) -> LiteralString:
    """The statement that reads the lowest position of some projections. Their names are ours, so formatting is safe."""
    union = " UNION ALL ".join(f"SELECT position, as_of FROM {p.schema}.checkpoint" for p in projections)  # noqa: S608
    return f"SELECT position, as_of FROM ({union}) AS c ORDER BY position LIMIT 1"  # noqa: S608


@cache
def _with_position(projections: tuple[Projection, ...], statement: LiteralString) -> LiteralString:
    """A statement with the position before its columns: one statement sees one snapshot, without a transaction.

    A row whose `found` is null stands for none.
    """
    return (
        f"SELECT moment.*, asked.* FROM ({_position_of(projections)}) AS moment "  # noqa: S608
        f"LEFT JOIN LATERAL (SELECT true AS found, rows.* FROM ({statement}) AS rows) AS asked ON true"
    )


@cache
def _before_position(projections: tuple[Projection, ...], statement: LiteralString) -> LiteralString:
    """A shared statement with the position behind its columns, so that the first ones can be taken from a row as it is.

    A row whose number is null stands for none. The time is a count of microseconds: rows of numbers are read faster.
    """
    moment = (
        f"SELECT position, (extract(epoch FROM as_of) * 1000000)::bigint FROM ({_position_of(projections)}) AS read"  # noqa: S608
    )
    return f"SELECT rows.*, moment.* FROM ({moment} LIMIT 1) AS moment LEFT JOIN LATERAL ({statement}) AS rows ON true"  # noqa: S608


@cache
def _together(projections: tuple[Projection, ...], statements: tuple[LiteralString, ...]) -> LiteralString:
    """Several statements as one, with the position before each row, which has the number of its statement and is JSON.

    The parameters of each have its number behind their names. The rows of a statement stay in its order.
    """
    parts = [
        f"SELECT {number} AS number, row_to_json(rows) AS found FROM ({_numbered(statement, number)}) AS rows"  # noqa: S608
        for number, statement in enumerate(statements)
    ]
    union = " UNION ALL ".join(parts)
    return (
        f"SELECT moment.*, asked.* FROM ({_position_of(projections)}) AS moment "  # noqa: S608
        f"LEFT JOIN LATERAL ({union}) AS asked ON true"
    )


def _numbered(statement: LiteralString, number: int) -> LiteralString:
    return _PARAMETER.sub(rf"%(\1_{number})s", statement)


class Views:
    """Queries the projections over its own pool, so that pages and commands do not wait for each other.

    A query that takes longer than `query_timeout` seconds raises psycopg.errors.QueryCanceled; 0 sets no limit.
    """

    def __init__(self, conninfo: str, *, size: int = 4, query_timeout: float = 0.0) -> None:
        self.pool = pool_of(conninfo, size, parameters={"autocommit": True}, configure=_for_queries(query_timeout))
        self._waiting: dict[asyncio.Future[None], tuple[tuple[Projection, ...], int]] = {}
        self._poll: asyncio.Task[None] | None = None
        self._seen: dict[tuple[Projection, ...], int] = {}
        """The positions of some projections when somebody looked last: who asks for no later one need not wait."""
        self._shared: dict[_Kind, Together[tuple[Any, ...], Shared]] = {}
        """The shared questions that somebody waits for."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Views"]:
        """Open the pool until the block ends. Raises psycopg_pool.PoolTimeout when the database cannot be reached."""
        await self.pool.open(wait=True, timeout=10.0)
        try:
            yield self
        finally:
            if self._poll is not None:
                self._poll.cancel()
            await self.pool.close()

    @asynccontextmanager
    async def snapshot(self, *projections: Projection, at_least: int = 0) -> AsyncIterator[Snapshot]:
        """A snapshot of some projections, at position `at_least` or later. Raises NotYetVisible and NotBuilt."""
        if at_least:
            await self._wait(projections, at_least)
        try:
            async with self.pool.connection() as connection, connection.transaction():
                position, as_of = await _read_position(connection, projections)
                if position < at_least:
                    raise NotYetVisible(at_least, position)
                yield Snapshot(connection, position, as_of)
        except _GONE as error:
            raise NotBuilt(str(error)) from error

    async def ask(self, projections: tuple[Projection, ...], *questions: Question, at_least: int = 0) -> Answered:
        """The answers to some questions at one position, `at_least` or later, in one round trip to the database.

        Raises NotYetVisible and NotBuilt.
        """
        answered = None
        if self._seen.get(projections, 0) >= at_least:
            answered = await self._answered(projections, questions)
        if answered is None or answered.position < at_least:
            await self._wait(projections, at_least)
            answered = await self._answered(projections, questions)
        if answered.position < at_least:
            raise NotYetVisible(at_least, answered.position)
        return answered

    async def _answered(self, projections: tuple[Projection, ...], questions: Sequence[Question]) -> Answered:
        try:
            async with self.pool.connection() as connection:
                if len(questions) == 1:
                    answered = await _ask_one(connection, projections, questions[0])
                else:
                    answered = await _ask_several(connection, projections, questions)
        except _GONE as error:
            raise NotBuilt(str(error)) from error
        self._seen[projections] = answered.position
        return answered

    async def ask_together(
        self, projections: tuple[Projection, ...], question: SharedQuestion, *values: Any, at_least: int = 0
    ) -> Shared:
        """The answer to one asker of a shared question, at position `at_least` or later.

        Those who ask while others wait for their answers share a statement. Raises NotYetVisible and NotBuilt.
        """
        if at_least:
            await self._wait(projections, at_least)
        kind = projections, question
        together = self._shared.get(kind)
        if together is None:
            together = Together(lambda askers: self._look(projections, question, askers), SHARED, _LOOKS)
            self._shared[kind] = together
        try:
            shared = await together.of(values)
        finally:
            if together.is_idle:  # a question with other parameters, such as those of today, may never come again
                self._shared.pop(kind, None)
        assert shared is not None, "a look answers everybody"
        if shared.position < at_least:
            raise NotYetVisible(at_least, shared.position)
        return shared

    async def _look(
        self, projections: tuple[Projection, ...], question: SharedQuestion, askers: list[tuple[Any, ...]]
    ) -> dict[tuple[Any, ...], Shared]:
        columns = zip(question.columns, zip(*askers, strict=True), strict=True)
        parameters: dict[str, Any] = {name: pack(values) for (name, pack), values in columns}
        statement = _before_position(projections, question.statement)
        try:
            async with self.pool.connection() as connection, connection.cursor(binary=True) as cursor:
                await cursor.execute(statement, parameters | dict(question.parameters), prepare=True)
                rows = await cursor.fetchall()
        except _GONE as error:
            raise NotBuilt(str(error)) from error
        if not rows:
            raise NotBuilt("a projection has no position")
        *_, number, position, microseconds = rows[0]
        found: list[list[tuple[Any, ...]]] = [[] for _ in askers]
        if number is not None:
            for row in rows:
                found[row[-3] - 1].append(row)
        as_of = None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)
        return {asker: Shared(position, as_of, lines) for asker, lines in zip(askers, found, strict=True)}

    async def _wait(self, projections: tuple[Projection, ...], position: int) -> None:
        """Wait until a position is visible, at most LONGEST_WAIT."""
        there: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[there] = projections, position
        if self._poll is None or self._poll.done():
            self._poll = asyncio.create_task(self._poll_positions())
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await there
        except TimeoutError:
            pass  # `snapshot` reads the position once more and reports it
        finally:
            del self._waiting[there]

    async def _poll_positions(self) -> None:
        """Read the positions for as long as queries wait."""
        while self._waiting:
            found = await self._positions({projections for projections, _ in self._waiting.values()})
            for there, (projections, position) in self._waiting.items():
                if found.get(projections, -1) >= position and not there.done():
                    there.set_result(None)
            await asyncio.sleep(POLL_EVERY)

    async def _positions(self, asked: Iterable[tuple[Projection, ...]]) -> dict[tuple[Projection, ...], int]:
        """The positions of some projections; those that are missing or cannot be read are left out."""
        found: dict[tuple[Projection, ...], int] = {}
        with suppress(*LOST):
            async with self.pool.connection() as connection:
                for projections in asked:
                    with suppress(NotBuilt, *_GONE):
                        async with connection.transaction():
                            found[projections], _ = await _read_position(connection, projections)
        return found


async def _ask_one(
    connection: AsyncConnection[Any], projections: tuple[Projection, ...], question: Question
) -> Answered:
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(_with_position(projections, question.statement), question.parameters, prepare=True)
        rows = await cursor.fetchall()
        result = cursor.pgresult
        assert result is not None, "the statement returns rows"
        # `cursor.description` makes an object of each column, which takes as long as to fetch the rows
        names = [(result.fname(column) or b"").decode() for column in range(_BEFORE, result.nfields)]
    if not rows:
        raise NotBuilt("a projection has no position")
    position, as_of, found, *_ = rows[0]
    return Answered(position, as_of, [[dict(zip(names, row[_BEFORE:], strict=True)) for row in rows] if found else []])


async def _ask_several(
    connection: AsyncConnection[Any], projections: tuple[Projection, ...], questions: Sequence[Question]
) -> Answered:
    parameters = {
        f"{name}_{number}": value for number, asked in enumerate(questions) for name, value in asked.parameters.items()
    }
    statement = _together(projections, tuple([asked.statement for asked in questions]))
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(statement, parameters, prepare=True)
        found = await cursor.fetchall()
    if not found:
        raise NotBuilt("a projection has no position")
    answers: list[list[dict[str, Any]]] = [[] for _ in questions]
    for _, _, number, row in found:
        if number is not None:
            answers[number].append(row)
    position, as_of, *_ = found[0]
    return Answered(position, as_of, answers)


async def _read_position(
    connection: AsyncConnection[Any], projections: tuple[Projection, ...]
) -> tuple[int, datetime | None]:
    cursor = await connection.execute(_position_of(projections), prepare=True)
    row: tuple[int, datetime | None] | None = await cursor.fetchone()
    if row is None:
        raise NotBuilt("a projection has no position")
    return row


_Kind = tuple[tuple[Projection, ...], SharedQuestion]


def _for_queries(query_timeout: float) -> Configure:
    limit = statement_timeout(query_timeout) if query_timeout else None

    async def configure(connection: AsyncConnection[Any]) -> None:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        # Times are returned in UTC, whatever the server's default zone is.
        await connection.execute("SET TimeZone TO 'UTC'; SET default_transaction_read_only TO on")
        if limit is not None:
            await limit(connection)

    return configure
