"""The announcement: lines that are printed when the service listens, and not before, because scripts wait for them."""

import http.client
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from api.contract.answers.health import STARTED_BY
from api.runtime.listening.listen_address import ListenAddress

START = "CREDIT_LEDGER_START"
"""The variable that tells workers which start of the service they belong to. It is not a setting."""
_CHECK_EVERY = 0.05
_TIMEOUT = 5.0


@contextmanager
def announced(address: ListenAddress, start: str, lines: Sequence[str], always: Sequence[str]) -> Iterator[None]:
    """Print `always` and `lines` when a worker of this start answers; without one, print `always` at the end."""
    stopping, printed = threading.Event(), threading.Event()

    def wait() -> None:
        while not stopping.wait(_CHECK_EVERY):
            if _answers(address, start):
                print(*always, *lines, sep="\n", flush=True)
                printed.set()
                return

    thread = threading.Thread(target=wait, name="announcement", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        if always and not printed.is_set():
            print(*always, sep="\n", flush=True)


def _answers(address: ListenAddress, start: str) -> bool:
    """Whether a worker of this start answers: an older service of the same ledger may listen there too."""
    connection = connection_to(address)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().headers[STARTED_BY] == start
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def connection_to(address: ListenAddress, timeout: float = _TIMEOUT) -> http.client.HTTPConnection:
    """A connection to the service. Its certificate has another name than this address, and nothing secret is sent."""
    if not address.tls:
        return http.client.HTTPConnection(address.reachable_ip, address.port, timeout=timeout)
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(address.reachable_ip, address.port, timeout=timeout, context=anyone)
