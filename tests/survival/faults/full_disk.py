"""The database's disk fills to the last byte under load, and some seconds later there is room again.

Every second time the journal is used up too: then the server itself ends, and cannot recover before there is room.
"""

import asyncio
import random

from ledger.progress import Progress
from tests.survival.attempts import Attempt
from tests.survival.faults.fault import Fault
from tests.survival.figures import Figures
from tests.survival.ground import Ground
from tests.survival.plan import Plan
from tests.survival.serving import Serving, serving
from tests.survival.small_disk import SmallDisk, small_disk
from tests.survival.trial import Trial, trial
from tests.survival.wire import NoAnswer

TOLD = 20.0
"""Seconds in which callers must have been told that there is no room."""
RECOVERS = 30.0
"""Seconds after there is room again in which commands must be carried out."""
LONGEST = 4.0
"""Seconds that the disk may stay full after that."""
CLEAR = {"storage_full", "unavailable", "overloaded"}
QUESTION = "/v1/accounts/a-000/balance"


async def run(times: int, plan: Plan, ground: Ground, progress: Progress) -> Figures:
    """Fill it, wait until callers are told, look whether questions are answered, make room, go on."""
    chance = plan.chance("disk")
    progress.begin("filling", times, "disks")
    with ground.folder() as folder, small_disk(folder) as disk:
        async with (
            serving(disk.conninfo, folder, plan.chance("service")) as service,
            trial(disk.conninfo, service.connect, plan, checkpoints=service.checkpoints) as held,
        ):
            filling = _Filling(disk, service, held, chance)
            for number in range(times):
                await held.more(chance.choice((50, 200)))
                await filling.fill(panic=number % 2 == 1)
                await asyncio.to_thread(disk.free)
                await held.load.more(100, patience=RECOVERS)
                progress.reach(number + 1)
            await service.until_ready()
    held.figures.wrong += filling.wrong
    held.figures.remarks.append(
        f"{filling.told:,} answers said that there is no room, {filling.unavailable:,} that there is no database;"
        f" it ended {filling.ended} times"
    )
    return held.figures


class _Filling:
    """What was seen while the disk was full."""

    def __init__(self, disk: SmallDisk, service: Serving, held: Trial, chance: random.Random) -> None:
        self._disk = disk
        self._service = service
        self._attempts = held.load.notebook.attempts
        self._chance = chance
        self.wrong: list[str] = []
        self.told = self.unavailable = self.ended = 0

    async def fill(self, *, panic: bool) -> None:
        """Fill the disk for a while."""
        before = len(self._attempts)
        await self._until_told(before)
        if self._disk.runs and not await self._answers():
            self.wrong.append("a question was not answered while there was no room")
        if panic:
            await asyncio.to_thread(self._disk.use_up_the_journal)
        await asyncio.sleep(self._chance.uniform(0, LONGEST))
        self.ended += not self._disk.runs
        failed = [attempt for attempt in self._attempts[before:] if attempt.status >= 500]
        self.told += sum(attempt.code == "storage_full" for attempt in failed)
        self.unavailable += sum(attempt.code == "unavailable" for attempt in failed)
        self.wrong += [f"answered {a.status} {a.code}" for a in failed if a.status != 503 or a.code not in CLEAR]

    async def _until_told(self, before: int) -> None:
        until = asyncio.get_running_loop().time() + TOLD
        while not any(_says_so(attempt) for attempt in self._attempts[before:]):
            if asyncio.get_running_loop().time() > until:
                self.wrong.append("nobody was told that there is no room")
                return
            await asyncio.to_thread(self._disk.fill)
            await asyncio.sleep(0.1)

    async def _answers(self) -> bool:
        wire = self._service.connect()
        try:
            return (await wire.get(QUESTION)).status in (200, 404)
        except NoAnswer:
            return False
        finally:
            wire.close()


def _says_so(attempt: Attempt) -> bool:
    return attempt.code == "storage_full"


FAULT = Fault("full-disk", "disk full for the database", "times", 5, 1, run)
