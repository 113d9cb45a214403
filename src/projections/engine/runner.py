"""The runner: it follows the log and moves the live projections in batches, each event once.

Of all processes one runner works at a time; the others wait until its connection ends. Projections at the same position
move together in one transaction, so that a reader of several projections sees them at one position. A projection that
lags moves alone until it has caught up. A projection that cannot apply an event stops there and records why; the others
continue.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import groupby
from time import monotonic
from typing import Any, NamedTuple

from psycopg import AsyncConnection

from ledger.commit.notifications import CommitListener
from ledger.domain.changes import BUCKET, Fact, bucket_of, changes_of
from ledger.postgres.connecting import connect_async
from ledger.postgres.errors import LOST
from ledger.store import Feed, Logged, UnreadableEvent, decode_uncounted, read
from ledger.timings.histogram import LAGS, Histogram
from projections.engine.builds import SQL, Batch, Build, BuildMoved, Work, apply, live, states_of_all, use
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection, Write

PAGE = 2_000
"""The largest number of events in one transaction."""
SLICE = 250
"""Events that are decoded without a pause. In the pauses, other tasks of the process run."""
LONGEST_SLEEP = 1.0
"""Seconds between two reads of the log when no notification comes."""
REST = 0.01
"""Seconds, at least, between two steps of a runner that keeps up."""
LONGEST_ROUND, ROUND_FOR_ONE = 0.08, 0.002
"""Seconds from one look at the log to the next under load, at most, and for each event that the last look found."""
_RETRY = 0.5
_NEVER = datetime.max.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_log = logging.getLogger("credit_ledger.projections")

_SESSION = """
-- A crash of the server loses rows and position together, and then they are written again.
SET synchronous_commit = off;
-- Rows are found by their keys, also before the server has statistics: a plan made for an empty table reads it whole.
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
"""
"""The settings of a connection that moves projections."""


class GatherFailed(Exception):
    """The `gather` function of a projection failed for a batch."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(f"no rows for the events from position {batch.after + 1} to {batch.upto}")
        self.batch = batch


async def prepare(feed: Feed, builds: Sequence[Build], after: int, upto: int, page: int = PAGE) -> tuple[Batch, Work]:
    """The next batch above `after`, and what each build must write for it.

    Only events that continue the chains of their accounts are in it. Raises UnreadableEvent, GatherFailed.
    """
    rows, problem = await feed.verified(after, upto, page)
    facts: list[Fact] = []
    for start in range(0, len(rows), SLICE):
        facts += facts_of(read(rows[start : start + SLICE], decode_uncounted))
        await asyncio.sleep(0)
    if problem is not None:
        raise problem
    batch = Batch(after, rows[-1].position if rows else upto, facts)
    try:
        return batch, await gather(builds, facts)
    except Exception as error:
        raise GatherFailed(batch) from error


def facts_of(events: Sequence[Logged]) -> list[Fact]:
    """The facts of events. Raises UnreadableEvent for an event that can be decoded but not interpreted."""
    facts = []
    bucket = ends = _NEVER
    for position, account_id, version, event in events:
        try:
            if not bucket <= event.recorded_at < ends:  # nearly always it is that of the event before
                bucket = bucket_of(event.recorded_at)
                ends = bucket + BUCKET
            facts.append(Fact(position, account_id, version, event, bucket, changes_of(event)))
        except Exception as problem:
            raise UnreadableEvent(position, account_id, problem) from problem
    return facts


async def gather(builds: Sequence[Build], facts: Sequence[Fact]) -> Work:
    """What each build must write for some events."""
    work: list[tuple[Build, list[Write]]] = []
    for build in builds:
        work.append((build, build.projection.gather(facts)))
        await asyncio.sleep(0)
    return work


async def batches(
    feed: Feed, builds: Sequence[Build], after: int, upto: int, page: int = PAGE
) -> AsyncGenerator[tuple[Batch, Work], None]:
    """All batches between two positions. It prepares the next one while the caller writes one. Raises as `prepare`."""
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


def rest_after(events: int, took: float) -> float:
    """The seconds to rest after a step that moved some events and took so many seconds.

    Under load, one transaction covers many commits, because a transaction costs as much as a hundred events. When there
    is little to do, whoever waits for an event of theirs sees it soon.
    """
    return max(REST, min(events * ROUND_FOR_ONE, LONGEST_ROUND) - took)


class Stop(NamedTuple):
    """The position of the event that cannot be applied, and why."""

    position: int
    problem: str


async def apply_as_far(
    connection: AsyncConnection[Any], build: Build, batch: Batch, *, first: Sequence[str] = ()
) -> Stop | None:
    """Apply a batch up to the first event that cannot be applied, and return that one. Raises BuildMoved and LOST."""
    try:
        await apply(connection, batch, await gather([build], batch.facts), first=first)
    except (BuildMoved, *LOST):
        raise
    except Exception as error:  # whatever the error is, an operator must see it with its position
        if len(batch.facts) <= 1:
            whose = f"account {batch.facts[0].account_id}: " if batch.facts else ""
            return Stop(batch.upto, f"{whose}{type(error).__name__}: {str(error).strip()}")
        half = len(batch.facts) // 2
        middle = batch.facts[half - 1].position
        for part in Batch(batch.after, middle, batch.facts[:half]), Batch(middle, batch.upto, batch.facts[half:]):
            if stop := await apply_as_far(connection, build, part, first=first):
                return stop
    return None


class Runner:
    """Moves the live builds of some projections; it skips those of another version of the program."""

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
        self.lags = {projection.name: Histogram(LAGS) for projection in projections}
        """How long after they were recorded each projection had its events, in nanoseconds."""
        self._stopped: set[str] = set()
        """The schemas of builds that have stopped. The next runner tries them again."""
        self.leads = False
        """Whether this runner is the one that works."""
        self._superseded = False
        """Whether a newer version of the program has built one of these projections."""

    async def run(self) -> None:
        """Follow the log until cancelled. It waits for a lost database."""
        while True:
            try:
                async with await connect_async(self._conninfo) as connection:
                    await self._follow(connection)
            except BuildMoved:
                continue
            except LOST as error:
                _log.warning("the projections wait for the database: %s", str(error).strip() or type(error).__name__)
            finally:
                self.leads = False
            await asyncio.sleep(_RETRY)

    async def _follow(self, connection: AsyncConnection[Any]) -> None:
        await connection.execute(_SESSION)
        self._superseded = False
        while not await self._lead(connection):  # noqa: ASYNC110  # waiting for the lock would hold up vacuum
            await asyncio.sleep(LONGEST_SLEEP)
        self.leads = True
        while not self._superseded:  # then this runner ends, so that the newer version's runner can take over
            self._listener.clear()
            began = monotonic()
            if moved := await self.step(connection):
                await asyncio.sleep(rest_after(moved, monotonic() - began))
            else:
                await self._listener.wait(LONGEST_SLEEP)

    async def _lead(self, connection: AsyncConnection[Any]) -> bool:
        cursor = await connection.execute(SQL["lead"])
        row = await cursor.fetchone()
        return bool(row and row[0])

    async def step(self, connection: AsyncConnection[Any]) -> int:
        """Move the builds that are behind to the end of the log.

        Returns by how many events the last of them was behind; 0 when none was. Raises BuildMoved and LOST.
        """
        end = await self._feed.last_position()
        found = await states_of_all(connection, self._builds)
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
        return end - groups[0][0] if groups else 0

    async def _move(self, connection: AsyncConnection[Any], builds: list[Build], after: int, upto: int) -> None:
        """Move some builds, all at position `after`, to position `upto`."""
        try:
            async with aclosing(batches(self._feed, builds, after, upto, self._page)) as coming:
                began = monotonic()
                async for batch, work in coming:
                    after = batch.upto
                    if not await self._apply(connection, batch, work):
                        return
                    await self._pause_for_others(batch, monotonic() - began)
                    began = monotonic()
        except UnreadableEvent as error:
            for build in builds:
                await self._apply_up_to(connection, build, after, error.position - 1)
                if build.schema not in self._stopped:
                    await self._stop(connection, build, error.position, str(error))
        except GatherFailed as error:
            _log.exception("%s", error)  # the message is the sentence, the cause is in the stack trace
            for build in builds:
                await self._apply_or_stop(connection, build, error.batch)

    async def _pause_for_others(self, batch: Batch, took: float) -> None:
        """When far behind while commands are committed, pause as long as the work took, so that commands come first."""
        if self._listener.notified and len(batch.facts) >= self._page:
            self._listener.clear()  # the log is read again in any case
            await asyncio.sleep(took)

    async def _apply(self, connection: AsyncConnection[Any], batch: Batch, work: Work) -> bool:
        """Apply a batch to all builds; if that fails, to each one alone, as far as possible, and return False."""
        try:
            await apply(connection, batch, work, first=["lock"])
        except (BuildMoved, *LOST):
            raise
        except Exception:  # `_apply_or_stop` finds the projection and the event
            _log.exception("a batch from position %d to %d could not be applied", batch.after + 1, batch.upto)
        else:
            self._observe_lag(batch, work)
            return True
        for build, _ in work:
            await self._apply_or_stop(connection, build, batch)
        return False

    def _observe_lag(self, batch: Batch, work: Work) -> None:
        """Observe how late the events of a batch are: all of them as late as the first."""
        if batch.facts:
            lag = (datetime.now(UTC) - batch.facts[0].event.recorded_at) // _MICROSECOND
            for build, _ in work:
                self.lags[build.projection.name].observe(max(lag, 0) * 1_000, len(batch.facts))

    async def _apply_or_stop(self, connection: AsyncConnection[Any], build: Build, batch: Batch) -> None:
        """Apply a batch to one build, and stop the build at the first event that cannot be applied."""
        if stop := await apply_as_far(connection, build, batch, first=["lock"]):
            await self._stop(connection, build, *stop)

    async def _apply_up_to(self, connection: AsyncConnection[Any], build: Build, after: int, upto: int) -> None:
        """Apply the readable events up to a position."""
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
    """A connection on which to move projections without a Runner."""
    connection = await connect_async(conninfo)
    await connection.execute(_SESSION)
    return connection
