"""A part of the service that ends again and again is seen by everybody who asks whether the service is ready."""

import asyncio
import stat
from pathlib import Path

import pytest

from api.runtime.processes import background, restarts
from api.runtime.processes.background import in_background
from api.runtime.processes.restarts import Restarts


@pytest.mark.parametrize("shared", [False, True])
def test_restarts_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, shared: bool) -> None:
    folder = tmp_path if shared else None
    found, other = Restarts(folder), Restarts(folder)
    assert found.recent() == {}
    for number in (1, 2, 3, 3):
        found.note("projector")
        assert found.recent() == {"projector": number}
    found.note("sweeper")
    assert found.recent() == {"projector": 3, "sweeper": 1}
    assert other.recent() == (found.recent() if shared else {})
    monkeypatch.setattr(restarts, "WITHIN", -1.0)  # the folder has moments to the thousandth of a second
    assert found.recent() == {}


def test_only_processes_that_replace_others_are_restarts(tmp_path: Path) -> None:
    for number in range(5):
        Restarts(tmp_path).note_start("worker", first=3)
        assert Restarts(tmp_path).recent() == ({} if number < 3 else {"worker": number - 2})
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


async def test_a_task_that_ends_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweeper of a worker, for one: without this it ends once, and nobody notices."""
    monkeypatch.setattr(background, "PAUSE", 0.0)
    found, begun, enough = Restarts(), [0], asyncio.Event()

    async def fails() -> None:
        begun[0] += 1
        if begun[0] > 3:
            enough.set()
            await asyncio.Event().wait()
        raise RuntimeError("it cannot go on")

    async with in_background({"sweeper": fails}, found):
        await asyncio.wait_for(enough.wait(), 60)
    assert found.recent() == {"sweeper": 3}
