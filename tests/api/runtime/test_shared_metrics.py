"""The metrics of several workers: those of a worker that has ended count no more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import multiprocess

from api.http import metrics

GAUGES = "gauge_livesum_{}.db"
EMPTY = bytes(8)
"""A file of metrics without any."""


@pytest.fixture
def ended() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def exposed(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(shared))
    metrics.exposition(processes=True)


def test_what_an_ended_worker_said_of_its_state_is_removed(
    tmp_path: Path, ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [GAUGES.format(pid) for pid in (ended, os.getpid())]
    for name in names:
        (tmp_path / name).write_bytes(EMPTY)
    exposed(tmp_path, monkeypatch)
    assert [name for name in names if (tmp_path / name).exists()] == names[1:]


def test_two_workers_may_remove_it_at_once(tmp_path: Path, ended: int, monkeypatch: pytest.MonkeyPatch) -> None:
    said = tmp_path / GAUGES.format(ended)
    said.write_bytes(EMPTY)
    really = multiprocess.mark_process_dead

    def after_another(pid: int, shared: str) -> None:
        really(pid, shared)  # type: ignore[no-untyped-call]
        raise FileNotFoundError(said)

    monkeypatch.setattr(multiprocess, "mark_process_dead", after_another)
    exposed(tmp_path, monkeypatch)
    assert not said.exists()
