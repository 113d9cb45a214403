"""PostgreSQL stops at once or is killed under load, and is started again a little later."""

import asyncio
import random
from collections import Counter

from ledger.progress import Progress
from tests.survival.faults.fault import Fault
from tests.survival.figures import Figures
from tests.survival.ground import Ground
from tests.survival.own_server import Crash, own_server
from tests.survival.plan import Plan
from tests.survival.serving import serving
from tests.survival.trial import trial

WAYS: tuple[Crash, ...] = ("immediate stop", "postmaster killed", "server process killed")
LONG = 6.5
"""Seconds without a database that no service waits for: callers are told."""
SELDOM = 0.05
BETWEEN = (1, 30, 200, 600)
"""Answers that come before the next blow."""


async def run(times: int, plan: Plan, ground: Ground, progress: Progress) -> Figures:
    """Crash it, start it after up to two seconds, let the load get some answers, crash it again."""
    chance = plan.chance("crashes")
    progress.begin("crashing", times, "crashes")
    made: Counter[Crash] = Counter()
    with ground.folder() as folder, own_server(folder) as server:
        async with (
            serving(server.conninfo, folder, plan.chance("service")) as service,
            trial(server.conninfo, service.connect, plan, checkpoints=service.checkpoints) as held,
        ):
            for number in range(times):
                await held.more(chance.choice(BETWEEN))
                way = WAYS[number % len(WAYS)]
                made[way] += 1
                await asyncio.to_thread(server.crash, way, chance)
                await asyncio.sleep(_rest(chance))
                await asyncio.to_thread(server.start)
                progress.reach(number + 1)
            await held.more(100)
    held.figures.remarks.append(", ".join(f"{count} {way}" for way, count in made.items()))
    return held.figures


def _rest(chance: random.Random) -> float:
    return LONG if chance.random() < SELDOM else chance.uniform(0, 2)


FAULT = Fault("crashed-postgres", "immediate stop and crash of PostgreSQL under load", "crashes", 100, 2, run)
