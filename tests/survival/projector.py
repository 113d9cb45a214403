"""The projector as a process of its own, for services that have none."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from api.runtime.database import as_url


@contextmanager
def projecting(conninfo: str) -> Iterator[None]:
    """A projector until the block ends."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDIT_LEDGER_")}
    environment["CREDIT_LEDGER_DATABASE_URL"] = as_url(conninfo)
    command = [sys.executable, "-m", "api.runtime.processes.projector", str(os.getpid())]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
