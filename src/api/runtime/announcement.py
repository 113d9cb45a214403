"""What is printed once the service listens, and not before: whoever waits for that line may come at once."""

import http.client
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from api.http.health import STARTED_BY
from api.runtime.listen_address import ListenAddress

START = "CREDIT_LEDGER_START"
"""The variable in which workers find which start they belong to. It is no setting."""
_LOOK_EVERY = 0.05
_PATIENCE = 5.0


@contextmanager
def announced(address: ListenAddress, start: str, lines: Sequence[str], kept: Sequence[str]) -> Iterator[None]:
    """A thread that prints `lines` when a worker of this start answers; `kept` are printed in any case, at the end."""
    stopping, printed = threading.Event(), threading.Event()

    def wait() -> None:
        while not stopping.wait(_LOOK_EVERY):
            if _answers(address, start):
                print(*kept, *lines, sep="\n", flush=True)
                printed.set()
                return

    thread = threading.Thread(target=wait, name="announcement", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        if kept and not printed.is_set():
            print(*kept, sep="\n", flush=True)


def _answers(address: ListenAddress, start: str) -> bool:
    """Whether it is us: an older service of the same ledger may listen there too."""
    connection = http.client.HTTPConnection(address.reachable_ip, address.port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().headers[STARTED_BY] == start
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
