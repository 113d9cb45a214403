"""The owner of the log is killed under load, or stopped for a while and let go on when there is another owner."""

import asyncio
import os
import random
import re
import signal
from contextlib import suppress

from ledger.progress import Progress
from tests.survival.faults.fault import Fault
from tests.survival.figures import Figures
from tests.survival.ground import Ground
from tests.survival.plan import Plan
from tests.survival.serving import LOOKS, Serving, kill, serving
from tests.survival.trial import Trial, trial
from tests.survival.wire import HttpWire, NoAnswer

WORKERS = 3
BETWEEN = (1, 30, 200)
"""Answers that come before the next blow."""
MEANWHILE = (1, 60)
"""Answers that come while the owner is stopped: from another one, because it gives none."""
FOUND = 30.0
"""Seconds in which some worker must say that it owns the log."""
_OWNER = re.compile(rb'^credit_ledger_log_owner{worker="(\d+)"} 1\.0$', re.MULTILINE)


async def run(times: int, plan: Plan, ground: Ground, progress: Progress) -> Figures:
    """Stop the owner, let the load get some answers, kill the next one."""
    chance = plan.chance("owners")
    progress.begin("striking owners", times, "blows")
    with ground.database() as conninfo, ground.folder() as folder:
        async with (
            serving(conninfo, folder, plan.chance("service"), workers=WORKERS) as service,
            trial(conninfo, service.connect, plan, checkpoints=service.checkpoints) as held,
        ):
            for number in range(times):
                await held.more(chance.choice(BETWEEN))
                owner = await _owner(service)
                if number % 2 == 0:
                    await _stop_for_a_while(owner, held, chance)
                else:
                    kill(owner)
                progress.reach(number + 1)
            await held.more(100)
            await service.until_ready()
    held.figures.remarks.append(f"{times - times // 2} times stopped, {times // 2} times killed")
    return held.figures


async def _stop_for_a_while(owner: int, held: Trial, chance: random.Random) -> None:
    with suppress(ProcessLookupError):
        os.kill(owner, signal.SIGSTOP)
    try:
        await held.more(chance.choice(MEANWHILE))
    finally:
        with suppress(ProcessLookupError):
            os.kill(owner, signal.SIGCONT)


async def _owner(service: Serving) -> int:
    """The worker that owns the log, once one of those that live says so."""
    async with asyncio.timeout(FOUND):
        while True:
            wire = HttpWire(service.port, patience=2)
            try:
                named = {int(pid) for pid in _OWNER.findall((await wire.get("/metrics")).body)}
            except NoAnswer:
                named = set()
            finally:
                wire.close()
            owners = named & set(service.workers())
            if len(owners) == 1:
                return owners.pop()
            await asyncio.sleep(LOOKS)


FAULT = Fault("lost-owner", "owner of the log stopped or killed under load, 3 processes", "blows", 60, 2, run)
