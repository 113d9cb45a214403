"""Every request is sent two to five times: at once over several connections, a little later, after the answer, long
after it. So later commands overtake earlier ones, and a repetition may come before the original."""

import asyncio
import random

from ledger.progress import Progress
from tests.survival.attempts import Attempt, Group
from tests.survival.faults.fault import Fault
from tests.survival.figures import Figures
from tests.survival.ground import Ground
from tests.survival.load import Load
from tests.survival.plan import Plan
from tests.survival.serving import serving
from tests.survival.trial import trial
from tests.survival.wire import Wire

LEAST, MOST = 2, 5
SOON, LATE = 0.03, 2.0
"""Seconds after which a repetition is sent at most."""


async def run(times: int, plan: Plan, ground: Ground, progress: Progress) -> Figures:
    """A load that repeats everything, until so many commands were asked."""
    progress.begin("repeating", times, "commands")
    with ground.database() as conninfo, ground.folder() as folder:
        async with (
            serving(conninfo, folder, plan.chance("service")) as service,
            trial(conninfo, service.connect, plan, manner=repeatedly, checkpoints=service.checkpoints) as held,
        ):
            while (asked := held.load.repertoire.asked) < times:
                await held.more(50)
                progress.reach(min(asked, times))
    return held.figures


async def repeatedly(load: Load, wire: Wire, group: Group, chance: random.Random) -> list[Attempt]:
    """Send a group again and again, and give what was answered first."""
    first = asyncio.create_task(load.send(wire, group))
    others = []
    for _ in range(chance.randint(LEAST, MOST) - 1):
        draw = chance.random()
        if draw < 0.08:
            load.later(_after(chance.uniform(SOON, LATE), load, group))
        elif draw < 0.3:
            await first
            others.append(asyncio.create_task(load.send_elsewhere(group)))
        else:
            others.append(asyncio.create_task(_after(chance.choice((0, chance.uniform(0, SOON))), load, group)))
    await asyncio.gather(first, *others)
    return first.result()


async def _after(seconds: float, load: Load, group: Group) -> list[Attempt]:
    await asyncio.sleep(seconds)
    return await load.send_elsewhere(group)


FAULT = Fault("repeated-request", "every request sent two to five times, reordered", "commands", 100_000, 400, run)
