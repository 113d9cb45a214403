"""The group of the workers of one start: its name, and the folder in which its owner of the log listens."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.runtime.settings import Settings
from ledger.forwarding.group import LONGEST_FOLDER, Group

GROUP = "CREDIT_LEDGER_WORKER_GROUP"
"""Where worker processes find the folder, which has the name of the group at its end. It is not a setting."""
_PREFIX = "credit-ledger-workers-"
_SHORT = "/tmp"  # noqa: S108  # the folder in it is made here, under a name that nobody can foresee


@contextmanager
def grouping_workers(settings: Settings) -> Iterator[None]:
    """Until the block ends, the workers are a group. A single worker needs none."""
    if settings.workers == 1:
        yield
        return
    prefix = f"{_PREFIX}{secrets.token_hex(8)}-"
    long = len(tempfile.gettempdir()) + len(prefix) + 10 > LONGEST_FOLDER
    with tempfile.TemporaryDirectory(prefix=prefix, dir=_SHORT if long else None) as folder:
        os.environ[GROUP] = folder
        try:
            yield
        finally:
            del os.environ[GROUP]


def group_of_workers() -> Group | None:
    """The group of this worker; None when it is the only one."""
    folder = os.environ.get(GROUP)
    return Group(Path(folder), Path(folder).name) if folder else None
