"""The machine's clock is stepped by minutes and hours under load: the service's at first, then the database's too.

What is true is the clock of whoever runs this, which nobody steps. By it, nothing may be recorded at a wrong moment,
and so no credit spent after its expiry or lost before it.
"""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ledger.progress import Progress
from tests.survival.clock import FakeClock
from tests.survival.faults.fault import Fault
from tests.survival.figures import Figures
from tests.survival.ground import Ground
from tests.survival.log import read_log
from tests.survival.own_server import own_server
from tests.survival.plan import Plan
from tests.survival.repertoire import Repertoire
from tests.survival.serving import serving
from tests.survival.trial import trial
from tests.survival.truth import untimely

TOLERANCE = timedelta(seconds=1.5)
"""How far from the truth a moment may be recorded: drift that is followed, and two clocks that are compared."""
MINUTES, HOURS = (60, 3_600), (3_600, 12 * 3_600)
LOOKS = 1.2
"""Seconds in which the service compares the clocks at least once."""


async def run(times: int, plan: Plan, ground: Ground, progress: Progress) -> Figures:
    """Step, let the load get some answers, step again; in the second half the database's clock too."""
    chance = plan.chance("steps")
    progress.begin("stepping", times, "steps")
    with ground.folder() as folder:
        ours, theirs = FakeClock(folder / "service.clock"), FakeClock(folder / "database.clock")
        with theirs.of_children(), own_server(folder) as server:
            async with (
                serving(server.conninfo, folder, plan.chance("service"), settings=ours.environment) as service,
                trial(
                    server.conninfo, service.connect, plan, repertoire=Lasting(), checkpoints=service.checkpoints
                ) as held,
            ):
                true_time = _true_time()
                for number in range(times):
                    await held.more(chance.choice((20, 100)))
                    ahead = _step(chance)
                    ours.set(ahead)
                    if number >= times // 2:
                        theirs.set(ahead)
                    await asyncio.sleep(chance.uniform(0, LOOKS))
                    progress.reach(number + 1)
                await held.more(100)
                for clock in (ours, theirs):
                    clock.set(0)
                await held.more(100)
                await service.until_ready()
            rows = await read_log(server.conninfo)
    held.figures.wrong += untimely(rows, held.load.notebook.attempts, true_time, TOLERANCE)
    lapsed = sum(row.topic == "CreditsExpired" for row in rows)
    held.figures.remarks.append(
        f"by up to {HOURS[1] // 3_600} hours, in the second half the database's clock too; {lapsed:,} lots lapsed"
    )
    return held.figures


def _true_time() -> Callable[[float], datetime]:
    """Which moment a time of the event loop was."""
    origin = time.time() - asyncio.get_running_loop().time()
    return lambda at: datetime.fromtimestamp(origin + at, UTC)


def _step(chance: random.Random) -> float:
    """How far the clock is ahead after a step; now and then it is right again."""
    if chance.random() < 0.15:
        return 0.0
    low, high = chance.choice((MINUTES, HOURS))
    return chance.choice((-1, 1)) * chance.uniform(low, high)


class Lasting(Repertoire):
    """Credits and holds for seconds, minutes and hours: a step forward must take none, a step back must leave none."""

    def _life(self, chance: random.Random) -> timedelta:
        low, high = chance.choice(((0.3, 5), (0.3, 5), MINUTES, HOURS))
        return timedelta(seconds=chance.uniform(low, high))

    def _hold_seconds(self, chance: random.Random) -> int:
        return chance.choice((1, 2, 3, 60, 600, 7_200))


FAULT = Fault("stepped-clock", "clock of the machine stepped back and forth by minutes and hours", "steps", 100, 2, run)
