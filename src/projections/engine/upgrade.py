"""Upgrades: the service rebuilds projections that are missing or were built by an older version of the program.

A build whose schema the service itself made, as it did in earlier versions, counts as older: whoever was the service
then may have left a trigger in it.

The old build serves meanwhile. The process whose runner works does the upgrade, so that the process that switches to a
new version also moves it afterwards. Builds of a newer version of the program are left alone: while both versions run,
the newer one wins.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from time import monotonic

from ledger.postgres.errors import LOST
from ledger.store import EventLog, Feed
from projections.engine.builds import BuildMoved, BuildState, Connection, build_states, live, made_by_others
from projections.engine.rebuild import BlockedByReaders, CannotBuild, RebuildRunning, Rebuilt, rebuild, rebuilding
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection

CHECK_EVERY = 2.0
"""Seconds between two checks of the versions."""
LOG_EVERY = 10.0
"""Seconds between two lines of progress."""
_log = logging.getLogger("credit_ledger.projections")


class Upgrades:
    """Rebuilds live builds that are missing or of an older version, while `leads` returns True."""

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
        self._skipped: set[str] = set()
        """Projections that this process does not upgrade; it has logged the reason. The next process tries again."""

    async def run(self) -> None:
        """Upgrade until cancelled. It waits for a lost database, and for another process that rebuilds."""
        while True:
            try:
                await self.run_once()
            except RebuildRunning:
                pass
            except (BlockedByReaders, BuildMoved, *LOST) as error:
                _log.warning("an upgrade waits: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(CHECK_EVERY)

    async def run_once(self) -> None:
        """Rebuild outdated projections. Raises RebuildRunning, BlockedByReaders, BuildMoved and LOST."""
        if not self._leads():
            return
        async with self._log.connection() as connection:
            if not await self._out_of_date(connection):
                return
        async with rebuilding(self._conninfo) as connection:
            for projection in await self._out_of_date(connection):  # another process may have been faster
                await self._upgrade(connection, projection)

    async def _out_of_date(self, connection: Connection) -> list[Projection]:
        found = await build_states(connection, [live(projection) for projection in self._projections])
        others = await made_by_others(connection)
        versions = {p.name: found[p.schema].version for p in self._projections if p.schema in found}
        for projection in self._projections:
            if versions.get(projection.name, 0) > projection.version and projection.name not in self._skipped:
                self._skip(projection, f"version {versions[projection.name]} was built by a newer program")
        return [
            p
            for p in self._projections
            if (versions.get(p.name, 0) < p.version or p.schema in others) and p.name not in self._skipped
        ]

    def _skip(self, projection: Projection, why: str) -> None:
        self._skipped.add(projection.name)
        _log.error("projection %s is left as it is: %s", projection.name, why)

    async def _upgrade(self, connection: Connection, projection: Projection) -> None:
        _log.info("projection %s: building version %d", projection.name, projection.version)
        try:
            rebuilt = await rebuild(connection, Feed(self._log), projection, _InLog())
        except CannotBuild as error:
            self._skip(projection, str(error))
        else:
            _log.info("projection %s: %s", projection.name, summary(rebuilt))


class _InLog:
    """Progress of a service: lines in its log."""

    def __init__(self) -> None:
        self._what, self._of = "", ""
        self._next = monotonic() + LOG_EVERY

    def begin(self, what: str, total: int, unit: str) -> None:
        self._what, self._of = what, f"{total:,} {unit}"

    def reach(self, done: int) -> None:
        if monotonic() >= self._next:
            self._next = monotonic() + LOG_EVERY
            _log.info("projection %s: %s of %s", self._what, f"{done:,}", self._of)


def summary(rebuilt: Rebuilt) -> str:
    """The result of a rebuild in one line."""
    parts = [f"{rebuilt.events:,} events in {rebuilt.seconds:.1f} s", *_compared(rebuilt)]
    before: BuildState | None = rebuilt.before
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
