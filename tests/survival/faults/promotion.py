"""The primary falls under load, its synchronous standby is promoted, a new standby is made of it; and again.

What was acknowledged is on the standby. The wicked turns are those in which the primary knew more than the standby: it
was started again, or the wait for the standby was cancelled, and whoever looked there saw commits that nobody may be
told of.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from ledger.progress import Progress
from tests.survival.faults.fault import Fault
from tests.survival.figures import Figures
from tests.survival.ground import Ground
from tests.survival.plan import Plan
from tests.survival.serving import serving
from tests.survival.standby import Pair, replicated
from tests.survival.trial import trial

WORKERS = 2
ALONE = 0.5
"""Seconds that a primary without a standby is asked for things."""
_CANCEL = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


async def run(times: int, plan: Plan, ground: Ground, progress: Progress) -> Figures:
    """Let the load get some answers, fell the primary in one of four ways, promote, attach; again."""
    chance = plan.chance("promotions")
    falls = plan.chance("falls").sample(list(FALLS), len(FALLS))
    progress.begin("promoting", times, "standbys")
    fallen: Counter[str] = Counter()
    with ground.folder() as folder, replicated(folder) as pair:
        async with (
            serving(pair.conninfo, folder, plan.chance("service"), workers=WORKERS) as service,
            trial(pair.conninfo, service.connect, plan, checkpoints=service.checkpoints) as held,
        ):
            for number in range(times):
                await held.more(chance.choice((20, 100, 300)))
                words = falls[number % len(falls)]
                await FALLS[words](pair, chance)
                await asyncio.to_thread(pair.fail_over)
                await asyncio.sleep(chance.uniform(0, ALONE))
                await asyncio.to_thread(pair.attach)
                fallen[words] += 1
                progress.reach(number + 1)
            await held.more(100)
            await service.until_ready()
    held.figures.remarks.append("the primary was " + ", ".join(f"{words} {n} times" for words, n in fallen.items()))
    return held.figures


async def _killed(pair: Pair, chance: random.Random) -> None:
    await asyncio.to_thread(pair.primary.kill)


async def _stopped(pair: Pair, chance: random.Random) -> None:
    await asyncio.to_thread(pair.primary.stop)


async def _restarted(pair: Pair, chance: random.Random) -> None:
    await asyncio.to_thread(pair.cut_off)
    await asyncio.sleep(chance.uniform(0, ALONE))
    await asyncio.to_thread(pair.primary.stop)
    await asyncio.to_thread(pair.primary.start)
    await asyncio.sleep(chance.uniform(0, ALONE))
    await asyncio.to_thread(pair.primary.kill)


async def _hurried(pair: Pair, chance: random.Random) -> None:
    await asyncio.to_thread(pair.cut_off)
    for _ in range(10):
        await asyncio.sleep(chance.uniform(0, ALONE / 10))
        await asyncio.to_thread(pair.primary.ask, _CANCEL)
    await asyncio.to_thread(pair.primary.kill)


FALLS: dict[str, Callable[[Pair, random.Random], Coroutine[Any, Any, None]]] = {
    "killed": _killed,
    "stopped": _stopped,
    "started again without a standby, then killed": _restarted,
    "told not to wait for its standby, then killed": _hurried,
}

FAULT = Fault("promotion", "promotion of a streaming standby under load, synchronous", "promotions", 20, 2, run)
