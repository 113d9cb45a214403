"""A fork that waits: what it has of its program, and that it ends when nobody wants it any more."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.service import PATIENCE, wait_for

PROGRAM = """
import os, sys, time
from pathlib import Path
from api.runtime.processes.children.waiting_fork import waiting_fork

def work():
    known = Path("/proc/self/environ").read_bytes()
    print(os.environ["TOLD"], b"s3cret" in known, os.environ.get("SECRET"), Path("/proc/self/comm").read_text().strip())
    if os.environ["TOLD"] == "fail":
        raise ValueError("failed")

def ended(fork):
    while fork.poll() is None:
        time.sleep(0.01)
    return fork.returncode

for told in ("work", "fail"):
    with waiting_fork("waits", ["SECRET"], work) as fork:
        fork.begin({"TOLD": told})
        print(ended(fork), flush=True)
with waiting_fork("waits", ["SECRET"], work) as unwanted:
    pass
print(unwanted.returncode)
with waiting_fork("waits", ["SECRET"], work) as killed:
    killed.send_signal(9)
    print(ended(killed))
    killed.begin({"TOLD": "work"})
    killed.send_signal(15)
with waiting_fork("waits", ["SECRET"], work) as fork:
    print(fork._pid, flush=True)
    sys.stdin.read()
"""


def test_it_works_when_it_is_told_to_and_ends_with_its_program() -> None:
    environment = {**os.environ, "SECRET": "s3cret"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stderr is not None
        lines = [program.stdout.readline().strip() for _ in range(7)]
        assert lines[:6] == ["work False None waits", "0", "fail False None waits", "1", "0", "-9"]
        waits = Path(f"/proc/{lines[6]}/cmdline")
        assert waits.read_bytes(), "it waits"
        program.send_signal(signal.SIGKILL)
        assert program.wait(PATIENCE) == -signal.SIGKILL
        wait_for(lambda: not _runs(waits), PATIENCE)
        assert program.stderr.read().count("ValueError: failed") == 1


def _runs(cmdline: Path) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return bool(cmdline.read_bytes())
    return False
