"""Upgrades: what an older version of the program built, or what is missing, is built by the service itself, beside what
serves.

The process whose runner works does it, so whoever switches to a new version is also who moves it from then on. What a
newer version of the program built is left alone: while both run side by side, the newer one wins.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from time import monotonic

from ledger.postgres.errors import LOST
from ledger.store import EventLog, Feed
from projections.engine.builds import Checkpoint, Connection, Moved, checkpoints, live
from projections.engine.rebuild import BlockedByReaders, Busy, CannotBuild, Rebuilt, rebuild, rebuilding
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection

LOOK_EVERY = 2.0
"""Seconds between two looks."""
SAY_EVERY = 10.0
"""Seconds between two lines of progress."""
_log = logging.getLogger("credit_ledger.projections")


class Upgrades:
    """Looks for live builds that are missing or of older versions, while `leads` says that this process moves them."""

    def __init__(
        self,
        conninfo: str,
        log: EventLog,
        leads: Callable[[], bool],
        *,
        projections: Sequence[Projection] = PROJECTIONS,
    ) -> None:
        self._conninfo = conninfo
        self._log = log
        self._leads = leads
        self._projections = projections
        self._left: set[str] = set()
        """Projections that are left as they are; the reason is logged. The next process looks at them anew."""

    async def run(self) -> None:
        """Look until cancelled; a lost database is waited for, and so is somebody else who rebuilds."""
        while True:
            try:
                await self.look()
            except Busy:
                pass
            except (BlockedByReaders, Moved, *LOST) as error:
                _log.warning("an upgrade waits: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Rebuild what is out of date. Raises Busy, BlockedByReaders, Moved and LOST."""
        if not self._leads():
            return
        async with self._log.connection() as connection:
            if not await self._out_of_date(connection):
                return
        async with rebuilding(self._conninfo) as connection:
            for projection in await self._out_of_date(connection):  # somebody may have been faster
                await self._upgrade(connection, projection)

    async def _out_of_date(self, connection: Connection) -> list[Projection]:
        found = await checkpoints(connection, [live(projection) for projection in self._projections])
        versions = {p.name: found[p.schema].version for p in self._projections if p.schema in found}
        for projection in self._projections:
            if versions.get(projection.name, 0) > projection.version and projection.name not in self._left:
                self._leave(projection, f"its version {versions[projection.name]} is of a newer program than this one")
        return [p for p in self._projections if versions.get(p.name, 0) < p.version and p.name not in self._left]

    def _leave(self, projection: Projection, why: str) -> None:
        self._left.add(projection.name)
        _log.error("projection %s is left as it is: %s", projection.name, why)

    async def _upgrade(self, connection: Connection, projection: Projection) -> None:
        _log.info("projection %s: building version %d", projection.name, projection.version)
        try:
            rebuilt = await rebuild(connection, Feed(self._log), projection, _InLog())
        except CannotBuild as error:
            self._leave(projection, str(error))
        else:
            _log.info("projection %s: %s", projection.name, said(rebuilt))


class _InLog:
    """Progress for a service."""

    def __init__(self) -> None:
        self._what, self._of = "", ""
        self._next = monotonic() + SAY_EVERY

    def begin(self, what: str, total: int, unit: str) -> None:
        self._what, self._of = what, f"{total:,} {unit}"

    def reach(self, done: int) -> None:
        if monotonic() >= self._next:
            self._next = monotonic() + SAY_EVERY
            _log.info("projection %s: %s of %s", self._what, f"{done:,}", self._of)


def said(rebuilt: Rebuilt) -> str:
    """What was done, in one line."""
    parts = [f"{rebuilt.events:,} events in {rebuilt.seconds:.1f} s", *_compared(rebuilt)]
    before: Checkpoint | None = rebuilt.before
    if before is not None and before.version != rebuilt.projection.version:
        parts.append(f"version {rebuilt.projection.version} in place of {before.version}")
    return ", ".join([*parts, f"switched at position {rebuilt.position:,}"])


def _compared(rebuilt: Rebuilt) -> list[str]:
    compared = rebuilt.comparison
    if compared is None:
        return ["nothing to compare with"]
    counts = [f"{count:,} {kind}" for kind, count in compared.counts.items() if count]
    found = f"differences: {', '.join(counts)}" if counts else "no differences"
    return [f"{compared.rows:,} rows compared at position {compared.position:,}", found]
