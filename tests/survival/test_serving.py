"""A supervised service: whatever of it is killed, whoever is left over ends, and the service comes back."""

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

from tests.long_form import times
from tests.postgres import TestServer
from tests.survival.serving import Serving, kill

STARTS = times(2, 4)
PATIENCE = 60.0
"""Seconds. An orphan that does not end by itself never does."""


async def test_nobody_outlives_a_parent_that_is_killed_while_it_starts(server: TestServer, tmp_path: Path) -> None:
    """The workers are being forked or import, the projector too: whoever begins to look after that finds no parent."""
    chance = random.Random(1)
    with server.database() as conninfo:
        for _ in range(STARTS):
            service = Serving(conninfo, tmp_path, 2, {}, chance)
            service.start()
            try:
                while not service.workers():  # noqa: ASYNC110  # processes, not events
                    await asyncio.sleep(0.002)
                await asyncio.sleep(chance.uniform(0, 0.5))
                kill(service.parent)
                async with asyncio.timeout(PATIENCE):
                    while set(service.family()) - {service.parent}:  # noqa: ASYNC110
                        await asyncio.sleep(0.02)
            finally:
                await service.stop()


def test_a_process_whose_parent_has_ended_before_it_looks_ends_at_once() -> None:
    code = (
        "import signal; from api.runtime.processes.children.parent_process import signal_at_end_of; "
        "signal_at_end_of(2**22, signal.SIGKILL); print('lives')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")
