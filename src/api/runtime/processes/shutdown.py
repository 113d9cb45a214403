"""Shutdown: a function that is called when the process is told to stop, before the server waits for open requests.

The server ends the lifespan after the last request has ended, but an event stream never ends by itself.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def call_at_shutdown(call: Callable[[], None]) -> Iterator[None]:
    """Until the block ends, SIGTERM and SIGINT call a function in the event loop, and then the former handler.

    The event loop calls the handler of the server, and wakes up for any handler, so this one can precede it. Only the
    main thread receives signals: in another thread this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def on_signal(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        then = before[signal.Signals(number)]
        if callable(then):
            then(number, frame)

    for number in _SIGNALS:
        _install(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            _install(number, signal.SIG_DFL if handler is None else handler)


def _install(
    number: signal.Signals, handler: "Callable[[int, FrameType | None], object] | int | signal.Handlers"
) -> None:
    signal.signal(number, handler)
    signal.siginterrupt(number, False)  # as the event loop sets it: system calls are not interrupted
