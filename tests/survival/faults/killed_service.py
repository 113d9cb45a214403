"""`kill -9` of a service process under load: a worker, the parent of all, or the projector."""

import random

from ledger.progress import Progress
from tests.survival.faults.fault import Fault
from tests.survival.figures import Figures
from tests.survival.ground import Ground
from tests.survival.plan import Plan
from tests.survival.serving import Serving, kill, named, serving
from tests.survival.trial import trial

WORKERS = 2
BETWEEN = (1, 30, 200, 600)
"""Answers that come before the next blow."""


async def run(times: int, plan: Plan, ground: Ground, progress: Progress) -> Figures:
    """Kill somebody, let the load get some answers, kill again."""
    chance = plan.chance("kills")
    progress.begin("killing", times, "kills")
    with ground.database() as conninfo, ground.folder() as folder:
        async with serving(conninfo, folder, plan.chance("service"), workers=WORKERS) as service:
            async with trial(conninfo, service.connect, plan, checkpoints=service.checkpoints) as held:
                for number in range(times):
                    await held.more(chance.choice(BETWEEN))
                    kill(_victim(service, chance))
                    progress.reach(number + 1)
                await held.more(100)
                await service.until_ready()
            left = await service.orphans()
            held.figures.wrong += [f"process {pid} has outlived its parent: {named(pid)}" for pid in left]
    return held.figures


def _victim(service: Serving, chance: random.Random) -> int:
    """A worker most of the time; who is not there just now cannot be killed, and the parent always is."""
    draw = chance.random()
    workers, projector = service.workers(), service.projector()
    if draw < 0.7 and workers:
        return chance.choice(workers)
    if draw < 0.8 and projector is not None:
        return projector
    return service.parent


FAULT = Fault("killed-service", "`kill -9` of a service process under load, 2 processes", "kills", 200, 2, run)
