"""The runner: follows the log and moves the live projections, in batches, each event once.

One runner of all processes works at a time; the others wait for its connection to end. Projections that are at the same
position move together, in one transaction, so a page that reads several of them sees one moment. One that lags goes its
own way until it has caught up; one that cannot apply an event stops there, says so, and the others go on.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import groupby
from time import monotonic
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection

from ledger.commit.notifications import CommitListener
from ledger.domain.changes import Fact, fact
from ledger.postgres.errors import LOST
from ledger.store import Feed, Logged, UnreadableEvent, read
from projections.engine.builds import SQL, Batch, Build, Moved, Work, apply, checkpoints, live, use
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection, Write

PAGE = 2_000
"""Events in one transaction, at most."""
SLICE = 250
"""Events that are read without a pause: meanwhile the database is told what to do next."""
LONGEST_SLEEP = 1.0
"""Seconds between two looks, if a hint got lost."""
REST = 0.01
"""Seconds between two steps of a runner that keeps up: under load, one transaction stands for many commits."""
_RETRY = 0.5
_log = logging.getLogger("credit_ledger.projections")


class GatherFailed(Exception):
    """A projection failed to say what to write for a batch."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(f"no rows for the events from position {batch.after + 1} to {batch.upto}")
        self.batch = batch


async def prepare(feed: Feed, builds: Sequence[Build], after: int, upto: int, page: int = PAGE) -> tuple[Batch, Work]:
    """The next batch above `after`, and what each build has to write for it. Raises UnreadableEvent, GatherFailed."""
    rows = await feed.rows(after, upto, page)
    facts: list[Fact] = []
    for start in range(0, len(rows), SLICE):
        facts += facts_of(read(rows[start : start + SLICE]))
        await asyncio.sleep(0)
    batch = Batch(after, rows[-1].position if rows else upto, facts)
    try:
        return batch, await gather(builds, facts)
    except Exception as error:
        raise GatherFailed(batch) from error


def facts_of(events: Sequence[Logged]) -> list[Fact]:
    """Events as facts. Raises UnreadableEvent for one that could be read and makes no sense."""
    facts = []
    for logged in events:
        try:
            facts.append(fact(*logged))
        except Exception as problem:
            raise UnreadableEvent(logged.position, problem) from problem
    return facts


async def gather(builds: Sequence[Build], facts: Sequence[Fact]) -> Work:
    """What each build has to write for some events."""
    work: list[tuple[Build, list[Write]]] = []
    for build in builds:
        work.append((build, build.projection.gather(facts)))
        await asyncio.sleep(0)
    return work


async def batches(
    feed: Feed, builds: Sequence[Build], after: int, upto: int, page: int = PAGE
) -> AsyncGenerator[tuple[Batch, Work], None]:
    """All batches between two positions; the next is prepared while one is written. Raises what `prepare` does."""
    coming = asyncio.create_task(prepare(feed, builds, after, upto, page))
    try:
        while after < upto:
            batch, work = await coming
            after = batch.upto
            if after < upto:
                coming = asyncio.create_task(prepare(feed, builds, after, upto, page))
            yield batch, work
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


class Stop(NamedTuple):
    """The event that cannot be applied, and why."""

    position: int
    problem: str


async def apply_as_far(
    connection: AsyncConnection[Any], build: Build, batch: Batch, *, first: Sequence[str] = ()
) -> Stop | None:
    """Apply what can be applied of a batch, and say where it ends. Raises Moved and LOST."""
    try:
        await apply(connection, batch, await gather([build], batch.facts), first=first)
    except (Moved, *LOST):
        raise
    except Exception as error:  # whatever it is, an operator must see it, with its position
        if len(batch.facts) <= 1:
            return Stop(batch.upto, f"{type(error).__name__}: {str(error).strip()}")
        half = len(batch.facts) // 2
        middle = batch.facts[half - 1].position
        for part in Batch(batch.after, middle, batch.facts[:half]), Batch(middle, batch.upto, batch.facts[half:]):
            if stop := await apply_as_far(connection, build, part, first=first):
                return stop
    return None


class Runner:
    """Moves the live builds of some projections; those that another version of the program made are left alone."""

    def __init__(
        self,
        conninfo: str,
        feed: Feed,
        listener: CommitListener,
        *,
        projections: Sequence[Projection] = PROJECTIONS,
        page: int = PAGE,
    ) -> None:
        self._conninfo = conninfo
        self._feed = feed
        self._listener = listener
        self._builds = [live(projection) for projection in projections]
        self._page = page
        self._stopped: set[str] = set()
        """Schemas of builds that cannot go on; the next runner tries again."""
        self.leads = False
        """Whether this is the runner that works, of all that there are."""
        self._superseded = False
        """Whether a newer program has built one of these projections."""

    async def run(self) -> None:
        """Follow until cancelled; a lost database is waited for."""
        while True:
            try:
                async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    await self._follow(connection)
            except Moved:
                continue
            except LOST as error:
                _log.warning("the projections wait for the database: %s", str(error).strip() or type(error).__name__)
            finally:
                self.leads = False
            await asyncio.sleep(_RETRY)

    async def _follow(self, connection: AsyncConnection[Any]) -> None:
        # What is lost with a crash of the server is done again: rows and checkpoint are lost together.
        await connection.execute("SET synchronous_commit = off")
        self._superseded = False
        while not await self._lead(connection):  # noqa: ASYNC110  # a lock waited for holds up vacuum
            await asyncio.sleep(LONGEST_SLEEP)
        self.leads = True
        while not self._superseded:  # then, after a turn, the newer program's runner may lead: it can move all of them
            self._listener.clear()
            if await self.step(connection):
                await asyncio.sleep(REST)
            else:
                await self._listener.wait(LONGEST_SLEEP)

    async def _lead(self, connection: AsyncConnection[Any]) -> bool:
        cursor = await connection.execute(SQL["lead"])
        row = await cursor.fetchone()
        return bool(row and row[0])

    async def step(self, connection: AsyncConnection[Any]) -> bool:
        """Move what is behind towards the end of the log; says whether anything was behind. Raises Moved and LOST."""
        end = await self._feed.last_position()
        found = await checkpoints(connection, self._builds)
        self._superseded = any(at.version > b.projection.version for b in self._builds if (at := found.get(b.schema)))
        self._stopped -= {schema for schema, at in found.items() if at.stopped_at is None}
        behind = [
            (found[build.schema].position, build)
            for build in self._builds
            if build.schema in found
            and found[build.schema].version == build.projection.version
            and found[build.schema].position < end
            and build.schema not in self._stopped
        ]
        behind.sort(key=lambda pair: pair[0])
        groups = [(at, [build for _, build in group]) for at, group in groupby(behind, key=lambda pair: pair[0])]
        for place, (position, builds) in enumerate(groups):
            alone = len(groups) == 1
            ahead = groups[place + 1][0] if place + 1 < len(groups) else end
            await self._move(connection, builds, position, ahead if alone else min(ahead, position + self._page))
        return bool(groups)

    async def _move(self, connection: AsyncConnection[Any], builds: list[Build], after: int, upto: int) -> None:
        """Move some builds from one position to another."""
        try:
            async with aclosing(batches(self._feed, builds, after, upto, self._page)) as coming:
                began = monotonic()
                async for batch, work in coming:
                    after = batch.upto
                    if not await self._apply(connection, batch, work):
                        return
                    await self._give_way(batch, monotonic() - began)
                    began = monotonic()
        except UnreadableEvent as error:
            for build in builds:
                await self._apply_up_to(connection, build, after, error.position - 1)
                if build.schema not in self._stopped:
                    await self._stop(connection, build, error.position, str(error))
        except GatherFailed as error:
            _log.exception("%s", error)  # its sentence is the message, its cause the trace
            for build in builds:
                await self._apply_or_stop(connection, build, error.batch)

    async def _give_way(self, batch: Batch, took: float) -> None:
        """A page behind while others commit, rest as long as the work took: whoever waits for an answer comes first."""
        if self._listener.notified and len(batch.facts) >= self._page:
            self._listener.clear()  # a look follows in any case
            await asyncio.sleep(took)

    async def _apply(self, connection: AsyncConnection[Any], batch: Batch, work: Work) -> bool:
        """Apply a batch to all builds, or, if that fails, to each as far as it goes. Says whether all went well."""
        try:
            await apply(connection, batch, work, first=["lock"])
        except (Moved, *LOST):
            raise
        except Exception:  # which event of which projection it is is found out one by one
            _log.exception("a batch from position %d to %d could not be applied", batch.after + 1, batch.upto)
        else:
            return True
        for build, _ in work:
            await self._apply_or_stop(connection, build, batch)
        return False

    async def _apply_or_stop(self, connection: AsyncConnection[Any], build: Build, batch: Batch) -> None:
        """Apply what can be applied of a batch, and stop the build at the first event that cannot."""
        if stop := await apply_as_far(connection, build, batch, first=["lock"]):
            await self._stop(connection, build, *stop)

    async def _apply_up_to(self, connection: AsyncConnection[Any], build: Build, after: int, upto: int) -> None:
        """Apply what can be read."""
        if after < upto:
            batch, _ = await prepare(self._feed, [], after, upto, self._page)
            await self._apply_or_stop(connection, build, batch)

    async def _stop(self, connection: AsyncConnection[Any], build: Build, position: int, problem: str) -> None:
        self._stopped.add(build.schema)
        _log.error("projection %s stopped at position %d: %s", build.projection.name, position, problem)
        async with connection.transaction():
            await connection.execute(use(build.schema))
            await connection.execute(SQL["at_stop"], {"position": position, "problem": problem[:2_000]})


async def connect(conninfo: str) -> AsyncConnection[Any]:
    """A connection to move projections on, for those who do not run the runner for ever."""
    connection: AsyncConnection[Any] = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
    await connection.execute("SET synchronous_commit = off")
    return connection
