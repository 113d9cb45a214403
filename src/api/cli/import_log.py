"""`credit-ledger import-log`: its options, its import and its summary."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import orjson
import typer

from api.cli.errors import Failure, Failures, interrupted, reported
from api.cli.progress import showing_progress
from api.runtime.database import database
from api.runtime.settings import Settings
from audit.export.json_lines import BadLine
from audit.export.log_import import Imported, LedgerMismatch, import_log
from ledger.progress import Progress
from ledger.store import EventLog

File = Annotated[Path, typer.Argument(metavar="FILE", help="A file that `credit-ledger export --format jsonl` wrote.")]
Keys = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The keys of its texts: a file that `export --keys` wrote.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `import-log` to the command line."""

    @app.command("import-log")
    def import_log_(file: File, *, keys: Keys = None, json: Json = False) -> None:
        """Copy an exported log into an empty ledger, with the same positions and hashes. A second run continues."""
        with reported(_failures(file)), showing_progress() as progress, database(load_settings()) as conninfo:
            imported = asyncio.run(_import(conninfo, file, keys, progress))
        typer.echo(orjson.dumps(imported._asdict()).decode() if json else _as_text(imported))


async def _import(conninfo: str, file: Path, keys: Path | None, progress: Progress) -> Imported:
    log = EventLog(conninfo, readers=1)
    await log.open()
    try:
        return await import_log(log, file, keys, progress)
    finally:
        await log.close()


def _failures(file: Path) -> Failures:
    return {
        BadLine: Failure(line=lambda problem: f"{file}: {problem}"),
        LedgerMismatch: Failure(),
        OSError: Failure(line=lambda problem: f"{problem.filename or file}: {problem.strerror or problem}"),
        KeyboardInterrupt: interrupted("run the same command again to continue"),
    }


def _as_text(imported: Imported) -> str:
    text = f"imported {imported.events:,} events; the log ends at position {imported.position:,}"
    return f"{text}; {imported.keys:,} keys" if imported.keys else text
