"""Logs on the move, as tests move them: out of a ledger, and into one."""

from pathlib import Path

from api.cli.progress import Lines
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
