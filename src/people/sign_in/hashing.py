"""The process that makes hashes of passwords (argon2id, with the parameters that OWASP gives as the least).

A hash takes a processor for tens of milliseconds, and 19 MiB. A thread that gives way would hold the service back all
the same: it waits for a processor while it has the lock of the interpreter, or that of the memory map. So hashes are
made in a process of their own. It makes each in a fork, under the policy of the kernel for what only runs when nothing
else wants to. When the machine has no time for that, it makes the hash itself, and gives way no further for a while:
people get in at full load too. See docs/adr/0109-passwords-in-a-process-of-their-own.md.

It reads a line for each password, and answers it with a line, until its input ends. It has no secret of the service.
"""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from threading import Lock

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PATIENCE = 1.0
"""Seconds that a hash may take while it gives way to everything."""
HURRIED = 10.0
"""Seconds for which hashes give way no further than this process, after one that took longer."""
_NICENESS = 10
_LONGEST_ANSWER = 1_000
_KEPT = ("LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "PYTHONPATH")
"""Variables that the process needs to find its libraries."""
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class HashingEnded(Exception):
    """The process that makes hashes ended twice while it made one."""


class HashingProcess:
    """The process, as the service sees it: started with the first password, and again if it ended."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def hash(self, password: str) -> str:
        """The hash of a password, with its salt. Waits. Raises HashingEnded."""
        return str(self._ask(password, None))

    def matches(self, hashed: str, password: str) -> bool:
        """Whether a hash is that of a password. Waits. Raises HashingEnded."""
        return self._ask(password, hashed) is True

    def _ask(self, password: str, hashed: str | None) -> str | bool:
        line = json.dumps([password, hashed]).encode() + b"\n"
        with self._lock:
            answer = self._answer(line) or self._answer(line)  # the second time by another process
        if not answer:
            raise HashingEnded("the process that makes hashes of passwords ended twice")
        found: str | bool = json.loads(answer)
        return found

    def _answer(self, line: bytes) -> bytes:
        """What the process answers; nothing if it ended."""
        if self._process is None:
            self._process = _started()
        pipes = self._process.stdin, self._process.stdout
        assert pipes[0] is not None
        assert pipes[1] is not None
        with suppress(BrokenPipeError):
            pipes[0].write(line)
            pipes[0].flush()
        answer = pipes[1].readline()
        if not answer:
            self.close()
        return answer

    def close(self) -> None:
        """End the process. The next password starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(BrokenPipeError):
                process.communicate()


def _started() -> subprocess.Popen[bytes]:
    """Start the process. Ctrl-C does not reach it: it ends with its input."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    command = [sys.executable, "-P", "-m", __name__]
    return subprocess.Popen(  # noqa: S603 - our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=kept, start_new_session=True
    )


@cache
def hashing_process() -> HashingProcess:
    """The one of this process, at whose end it ends."""
    process = HashingProcess()
    atexit.register(process.close)
    return process


# In the process itself ------------------------------------------------------------------------------------------------


def give_way() -> None:
    """Run only when nothing else wants to."""
    if sys.platform == "linux":
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(_NICENESS)


class Hashes:
    """Makes hashes, one after the other, each in a fork that gives way."""

    def __init__(
        self,
        give_way: Callable[[], None] = give_way,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._give_way = give_way
        self._patience = patience
        self._clock = clock
        self._hurried_until = 0.0

    def answer(self, line: bytes) -> bytes:
        """The answer to a line: a hash, or whether one matches."""
        if self._clock() >= self._hurried_until:
            answer = self._in_fork(line)
            if answer:
                return answer
            self._hurried_until = self._clock() + HURRIED
        return _made(line)

    def _in_fork(self, line: bytes) -> bytes:
        """The answer, made while giving way; nothing if it took too long."""
        _reap()
        reading, writing = os.pipe()
        fork = os.fork()
        if fork == 0:
            self._make_in_fork(line, writing)
        os.close(writing)
        ready, _, _ = select.select([reading], [], [], self._patience)
        answer = os.read(reading, _LONGEST_ANSWER) if ready else b""
        os.close(reading)
        os.kill(fork, signal.SIGKILL)
        return answer

    def _make_in_fork(self, line: bytes, writing: int) -> None:
        """Write the answer. The fork ends here, whatever happens."""
        try:
            self._give_way()
            os.write(writing, _made(line))
        finally:
            os._exit(0)


def _reap() -> None:
    """Forget forks that have ended. Nobody waits for the last one: it ends when a processor has time for it."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _made(line: bytes) -> bytes:
    password, hashed = json.loads(line)
    made = _HASHER.hash(password) if hashed is None else _matches(hashed, password)
    return json.dumps(made).encode() + b"\n"


def _matches(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (InvalidHashError, VerificationError):
        return False


def main() -> None:
    """Answer each line of the input."""
    os.nice(_NICENESS)
    hashes = Hashes()
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(hashes.answer(line))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
