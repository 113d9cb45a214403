"""The process that makes hashes: it gives way, but not for ever, and is there whatever became of the last one."""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from people.sign_in.hashing import HashingEnded, HashingProcess
from tests.api.stage import eventually

PASSWORD = "a good password: ünicode"

STARVED = """
import json, os, signal
from people.sign_in.hashing import HURRIED, Hashes, give_way

now, forks, line = [0.0], [], json.dumps(["a password", None]).encode()
fork = os.fork
def counted():
    forks.append(now[0])
    return fork()
os.fork = counted

starved = Hashes(signal.pause, patience=0.05, clock=lambda: now[0])
answers = []
for now[0] in (100.0, 101.0, 100.0 + HURRIED - 0.1, 100.0 + HURRIED):
    answers.append(json.loads(starved.answer(line)))

reading, writing = os.pipe()
def tell_and_fail():
    give_way()
    os.write(writing, bytes([os.sched_getscheduler(0)]))
    raise OSError
broken = Hashes(tell_and_fail, patience=60)
answers.append(json.loads(broken.answer(line)))
print(json.dumps({"answers": answers, "forks": forks, "policy": os.read(reading, 1)[0]}))
"""

LEFT_ALONE = """
import os, pathlib, signal
from people.sign_in.hashing import HashingProcess
HashingProcess().hash("a password")
print(pathlib.Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stdout


def children() -> set[int]:
    """The processes that this thread started and that are there."""
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def test_a_hash_that_finds_no_processor_is_made_all_the_same() -> None:
    """And for a while no other has to wait for one. A fork that fails is no reason to refuse anybody either."""
    found = json.loads(run(STARVED))
    assert found["forks"] == [100.0, 110.0, 110.0]
    assert len(set(found["answers"])) == 5
    assert all(PasswordHasher().verify(answer, "a password") for answer in found["answers"])
    assert found["policy"] == os.SCHED_IDLE


def test_a_process_that_ended_is_replaced() -> None:
    before = children()
    with closing(HashingProcess()) as process:
        hashed = process.hash(PASSWORD)
        for ended in (False, True):
            if ended:
                [pid] = children() - before
                os.kill(pid, signal.SIGKILL)
            assert process.matches(hashed, PASSWORD)
            assert not process.matches(hashed, "another password")
            assert not process.matches("no hash", PASSWORD)
    assert children() == before


def test_one_that_ends_each_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(HashingEnded):
        HashingProcess().hash(PASSWORD)


def test_it_ends_with_the_service() -> None:
    [pid] = map(int, run(LEFT_ALONE).split())
    eventually(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())
