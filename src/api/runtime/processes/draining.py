"""Draining: SIGTERM does not stop a service at once. For some seconds it answers as before, and sends everybody away.

A second signal, and Ctrl-C, stop it at once. See docs/adr/0088-going-down-gently.md.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

_SIGNAL = signal.SIGUSR1
"""What tells a worker that it is about to stop."""
_log = logging.getLogger("credit_ledger.server")


def drain_before_stop(on_startup: Callable[[Callable[[], None]], Any], seconds: float) -> None:
    """Let SIGTERM stop a server that many seconds later, and tell its workers at once.

    `on_startup` has a function called when the server has installed its handlers, before it starts workers.
    """
    signal.signal(_SIGNAL, signal.SIG_IGN)  # a worker inherits that, and does not end before it listens to the signal
    if seconds:
        on_startup(lambda: _delay_stop(seconds))


def begin_when_told(*begin: Callable[[], None]) -> None:
    """Let the signal to this worker call functions in its event loop. Only the main thread receives signals."""

    def on_signal() -> None:
        for one in begin:
            one()

    if threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(_SIGNAL, on_signal)


def _delay_stop(seconds: float) -> None:
    """Put the delay before the server's own handler of the signal."""
    stop = signal.getsignal(signal.SIGTERM)
    assert callable(stop), "the server has installed its handler"
    begun = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if begun.is_set():
            stop(number, frame)
            return
        begun.set()
        _log.info("stopping in %g seconds", seconds)
        for worker in multiprocessing.active_children():
            with suppress(ProcessLookupError, TypeError):  # it has ended
                os.kill(worker.pid, _SIGNAL)  # type: ignore[arg-type]
        later = threading.Timer(seconds, stop, (number, frame))
        later.daemon = True
        later.start()

    signal.signal(signal.SIGTERM, on_signal)
