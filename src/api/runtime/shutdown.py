"""Being told to stop: what must know of it before the server waits for the requests that it has in hand.

The server ends the lifespan after the last request has ended, and a stream of events would never end by itself.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def when_told_to_stop(call: Callable[[], None]) -> Iterator[None]:
    """Until the block ends, call something in the event loop when the process is told to stop; then stop as before.

    The server's own handler is called by the event loop, which is woken whatever stands here; so one can stand here
    before it. Only a main thread is told of signals; a server in another thread has no such moment.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def told(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        then = before[signal.Signals(number)]
        if callable(then):
            then(number, frame)

    for number in _SIGNALS:
        _install(number, told)
    try:
        yield
    finally:
        for number, handler in before.items():
            _install(number, signal.SIG_DFL if handler is None else handler)


def _install(
    number: signal.Signals, handler: "Callable[[int, FrameType | None], object] | int | signal.Handlers"
) -> None:
    signal.signal(number, handler)
    signal.siginterrupt(number, False)  # as the event loop has it: a call of the system is not cut short
