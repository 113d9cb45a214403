"""Threads that wait for a core: which ones do, and that nothing else changes."""

import os
import threading
from collections.abc import Callable

import pytest

from api.runtime.processes.scheduling import let_others_finish

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux has it")


def in_a_thread(call: Callable[[], None]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def test_a_thread_and_those_that_it_starts_later_wait() -> None:
    before, found = os.sched_getscheduler(0), list[tuple[int, int]]()

    def look() -> None:
        found.append((os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)))

    def begin() -> None:
        let_others_finish()
        look()
        in_a_thread(look)

    in_a_thread(begin)
    assert found == [(os.SCHED_BATCH, os.getpriority(os.PRIO_PROCESS, 0))] * 2
    assert os.sched_getscheduler(0) == before


def test_a_sandbox_may_forbid_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    let_others_finish()
