"""A fork of a program, made at its start, that waits until it is told to begin: it works with what both have imported.

It is made before the program reads its settings, opens a file or starts a thread, so it has nothing of them. It ends
with the program, and when the program no longer wants it. See docs/adr/0113-what-a-start-costs.md.
"""

import gc
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NoReturn

from api.runtime.processes.children.parent_process import signal_at_end_of
from api.runtime.processes.children.process_name import name_process
from api.runtime.processes.secret_environment import remove

_READ = 65_536


class WaitingFork:
    """The fork, as the program sees it. It answers like `subprocess.Popen`."""

    def __init__(self, pid: int, told: int) -> None:
        self.returncode: int | None = None
        """How it ended; None as long as it has not."""
        self._pid = pid
        self._told: int | None = told

    def begin(self, environment: Mapping[str, str]) -> None:
        """Let it do its work with an environment. One that has ended does nothing: see `poll`."""
        assert self._told is not None, "it begins once"
        pipe, self._told = self._told, None
        with suppress(BrokenPipeError), os.fdopen(pipe, "w") as file:
            json.dump(dict(environment), file)

    def dismiss(self) -> None:
        """End it if it has not begun."""
        if self._told is not None:
            os.close(self._told)
            self._ended(0)

    def poll(self) -> int | None:
        """How it ended; None as long as it has not."""
        return self._ended(os.WNOHANG)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self._pid, number)

    def _ended(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self._pid, options)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


@contextmanager
def waiting_fork(name: str, secrets: Collection[str], work: Callable[[], None]) -> Iterator[WaitingFork | None]:
    """A fork that waits, until the block ends; None where other threads run: it would have copies of their locks.

    It has the program's environment without the variables of `secrets` until it begins.
    """
    if threading.active_count() > 1:
        yield None
        return
    gc.freeze()  # a collection would copy what both share
    parent, (told, telling) = os.getpid(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(telling)
        _wait_and_work(told, parent, name, secrets, work)
    os.close(told)
    fork = WaitingFork(pid, telling)
    try:
        yield fork
    finally:
        fork.dismiss()


def _wait_and_work(told: int, parent: int, name: str, secrets: Collection[str], work: Callable[[], None]) -> NoReturn:
    """In the fork. It ends here, whatever happens: what the program does at its own end is not for it."""
    status = 1
    try:
        name_process(name)
        os.setsid()  # Ctrl-C reaches the program only
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal_at_end_of(parent, signal.SIGTERM)
        remove(*secrets)
        if environment := _read(told):
            os.environ.clear()
            os.environ.update(json.loads(environment))
            work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _read(pipe: int) -> bytes:
    """What is told, to its end; nothing if the program has ended or does not want the fork."""
    parts = []
    while part := os.read(pipe, _READ):
        parts.append(part)
    os.close(pipe)
    return b"".join(parts)
