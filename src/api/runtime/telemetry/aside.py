"""Calls that block, beside the event loop, in threads that no end of the process waits for."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress


async def aside(call: Callable[[], object]) -> None:
    """Make a call in a thread of its own, and return when it has returned. What it raises ends with the thread."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def work() -> None:
        try:
            call()
        finally:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(done.set)

    threading.Thread(target=work, name="telemetry", daemon=True).start()
    await done.wait()
