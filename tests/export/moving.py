"""Logs on the move, as tests move them: out of a ledger, and into one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from api.cli.progress import Lines
from api.runtime.database import as_url
from audit.export.log_export import Exported, export_log
from audit.export.log_import import Imported, import_log
from audit.export.sources import Source
from ledger.store.feed import Feed
from ledger.store.log import EventLog


async def export_to(conninfo: str, path: Path, after: int | None = None) -> Exported:
    """Export the log as `credit-ledger export --format jsonl` does."""
    log = EventLog(conninfo, readers=1)
    await log.open()
    try:
        return await export_log(Source(log, await Feed(log).last_position(), Lines()), path, after)
    finally:
        await log.close()


async def import_from(conninfo: str, path: Path, keys: Path | None = None) -> Imported:
    """Import a log as `credit-ledger import-log` does."""
    log = EventLog(conninfo, readers=1)
    await log.open()
    try:
        return await import_log(log, path, keys, Lines())
    finally:
        await log.close()


class Finished(NamedTuple):
    """A run of the command line that is over."""

    status: int
    out: str
    err: str

    @property
    def summary(self) -> Any:
        return json.loads(self.out)


def command(database: str, *words: str | Path) -> Finished:
    """`credit-ledger ...` in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CREDIT_LEDGER_")}
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", *map(str, words)],
        env={**kept, "CREDIT_LEDGER_DATABASE_URL": as_url(database)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Finished(done.returncode, done.stdout, done.stderr)
