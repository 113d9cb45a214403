"""Processes that a run starts, and the CPU time that they and PostgreSQL use, from /proc.

CPU time per command holds on a noisy machine, where commands per second do not.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.progress import Spoiled

ROOT = Path(__file__).parents[1]
"""Where `-m benchmarks...` can be run from."""

STOP_TIMEOUT = 30
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def child(command: Sequence[str], log: Path, settings: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process until the block ends, with what it says in `log`. It has a session of its own: Ctrl-C is ours."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=clean_environment() | dict(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def said_by(module: str, options: Mapping[str, object], variables: Mapping[str, str], patience: float) -> Any:
    """The JSON that a module of ours prints, run in a process of its own. What is secret goes by `variables`."""
    return said(module, [f"--{name}={value}" for name, value in options.items()], variables, patience)


def said(
    module: str, arguments: Sequence[str], variables: Mapping[str, str], patience: float, statuses: Sequence[int] = (0,)
) -> Any:
    """The same for any arguments. Raises Spoiled when it ends with another status."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=clean_environment() | dict(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=patience,
    )
    if done.returncode not in statuses:
        raise Spoiled(f"{module} ended with {done.returncode}:\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}")
    return json.loads(done.stdout)


def clean_environment() -> dict[str, str]:
    """Ours, without what would change a service or a PostgreSQL program unseen."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("CREDIT_LEDGER_", "PG"))}


def _stop(process: subprocess.Popen[bytes]) -> None:
    """As an operator would; what has not ended after that, or was left behind, is killed with its session."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, of all below it, and of those below it that have ended."""
    stats = _stats()
    family, fresh = set[int](), {pid}
    while fresh:
        family |= fresh
        fresh = {each for each, fields in stats.items() if int(fields[1]) in fresh}
    ticks = sum(int(field) for each in family if each in stats for field in stats[each][11:15])
    return ticks / _TICKS


def _stats() -> dict[int, list[bytes]]:
    """The fields of /proc/<pid>/stat from the state on: [1] is the parent, [11:15] are the CPU times."""
    stats = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(FileNotFoundError, ProcessLookupError):
                stats[int(entry.name)] = (entry / "stat").read_bytes().rpartition(b") ")[2].split()
    return stats


def peak_memory_of(process: subprocess.Popen[bytes]) -> int:
    """The most bytes of memory that a process has until its end, which is waited for."""
    peak = 0
    try:
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            found = status.partition("VmHWM:")[2].split()
            peak = int(found[0]) * 1024 if found else peak
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    return peak


def peak_memory() -> int:
    """Bytes of memory that this process has had at most. (What getrusage() says is also of whoever started it.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
