"""`credit-ledger import-log`: the options, and how it is told."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import orjson
import typer

from api.cli.progress import showing_progress
from api.runtime.database import database
from api.runtime.settings import Settings
from audit.export.json_lines import BadLine
from audit.export.log_import import Imported, OtherLedger, import_log
from ledger.progress import Progress
from ledger.store import EventLog

File = Annotated[Path, typer.Argument(metavar="FILE", help="What `credit-ledger export --format jsonl` wrote.")]
Keys = Annotated[Path | None, typer.Option(metavar="FILE", help="The keys of its texts, from `export --keys`.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Give the command line its `import-log`."""

    @app.command("import-log")
    def import_log_(file: File, *, keys: Keys = None, json: Json = False) -> None:
        """Read an exported log into an empty ledger, with the same positions and hashes. Run again, it goes on."""
        with _explained(file), showing_progress() as progress, database(load_settings()) as conninfo:
            imported = asyncio.run(_import(conninfo, file, keys, progress))
        typer.echo(orjson.dumps(imported._asdict()).decode() if json else _as_text(imported))


async def _import(conninfo: str, file: Path, keys: Path | None, progress: Progress) -> Imported:
    log = EventLog(conninfo, readers=1)
    await log.open()
    try:
        return await import_log(log, file, keys, progress)
    finally:
        await log.close()


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """What whoever runs the import can mend is said without a traceback."""
    try:
        yield
    except BadLine as problem:
        _fail(f"{file}: {problem}", 1)
    except OtherLedger as problem:
        _fail(str(problem), 1)
    except OSError as problem:
        _fail(f"{problem.filename or file}: {problem.strerror or problem}", 1)
    except KeyboardInterrupt:
        _fail("interrupted; run the same command again to go on", 130)


def _as_text(imported: Imported) -> str:
    said = f"imported {imported.events:,} events; the log ends at position {imported.position:,}"
    return f"{said}; {imported.keys:,} keys" if imported.keys else said


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(f"credit-ledger: {message}", err=True)
    raise typer.Exit(status)
