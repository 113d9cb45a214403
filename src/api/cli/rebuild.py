"""`credit-ledger rebuild`: builds projections anew beside those that serve, says what was wrong, and switches."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import orjson
import typer

from api.cli.progress import showing_progress
from api.runtime.database import database
from api.runtime.settings import Settings
from ledger.store import EventLog, Feed
from projections.engine.builds import Connection, Moved, prepare
from projections.engine.compare import KINDS, Comparison, Difference
from projections.engine.rebuild import BlockedByReaders, Busy, CannotBuild, Rebuilt, rebuild, rebuilding
from projections.engine.upgrade import said
from projections.models.catalog import BY_NAME, PROJECTIONS
from projections.models.projection import Projection

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help=f"Some of {', '.join(BY_NAME)}; none: all of them.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Outcome = Rebuilt | CannotBuild


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Give the command line its `rebuild`."""

    @app.command("rebuild")
    def rebuild_(names: Names = None, *, json: Json = False) -> None:
        """Build projections anew while they serve. It can be stopped at any moment and run again."""
        projections = _named(names or [])
        say = _silent if json else _print
        with _explained(), database(load_settings()) as conninfo:
            prepare(conninfo)
            outcomes = asyncio.run(_rebuild_all(conninfo, projections, say))
        if json:
            typer.echo(orjson.dumps([_as_json(outcome) for outcome in outcomes]).decode())
        raise typer.Exit(1 if any(isinstance(outcome, CannotBuild) for outcome in outcomes) else 0)


def _named(names: list[str]) -> list[Projection]:
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: choose from {', '.join(BY_NAME)}", param_hint="NAME")
    return [projection for projection in PROJECTIONS if not names or projection.name in names]


@contextmanager
def _explained() -> Iterator[None]:
    """What whoever runs the command can mend is said without a traceback."""
    try:
        yield
    except (Busy, BlockedByReaders) as problem:
        _fail(str(problem), 1)
    except Moved:
        _fail("somebody else has changed what was being built; run the same command again", 1)
    except KeyboardInterrupt:
        _fail("interrupted; what was not switched serves as before, and the same command begins again", 130)


async def _rebuild_all(conninfo: str, projections: list[Projection], say: Callable[[Outcome], None]) -> list[Outcome]:
    """One after the other; one that cannot be built does not keep the others from it."""
    outcomes: list[Outcome] = []
    log = EventLog(conninfo, readers=1)
    await log.open()
    try:
        async with rebuilding(conninfo) as connection:
            for projection in projections:
                outcomes.append(await _rebuild(connection, Feed(log), projection))
                say(outcomes[-1])
    finally:
        await log.close()
    return outcomes


async def _rebuild(connection: Connection, feed: Feed, projection: Projection) -> Outcome:
    with showing_progress() as progress:
        try:
            return await rebuild(connection, feed, projection, progress)
        except CannotBuild as problem:
            return problem


def _silent(_: Outcome) -> None:
    pass


def _print(outcome: Outcome) -> None:
    match outcome:
        case Rebuilt():
            typer.echo(f"{outcome.projection.name}: {said(outcome)}")
            if outcome.comparison is not None:
                _print_differences(outcome.comparison)
        case CannotBuild():
            typer.echo(f"credit-ledger: {outcome.projection.name}: {outcome}; the old one serves", err=True)


def _print_differences(comparison: Comparison) -> None:
    for left_out in comparison.left_out:
        typer.echo(f"  not compared: {left_out}")
    for difference in comparison.first:
        typer.echo(f"  {difference}")
    if comparison.differences > len(comparison.first):
        typer.echo(f"  and {comparison.differences - len(comparison.first):,} more")


def _as_json(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, CannotBuild):
        return {
            "name": outcome.projection.name,
            "switched": False,
            "stopped_at": outcome.position,
            "problem": str(outcome),
        }
    return {
        "name": outcome.projection.name,
        "switched": True,
        "version": outcome.projection.version,
        "version_before": outcome.before.version if outcome.before else None,
        "position": outcome.position,
        "events": outcome.events,
        "seconds": round(outcome.seconds, 3),
        "compared": _comparison_as_json(outcome.comparison) if outcome.comparison else None,
    }


def _comparison_as_json(comparison: Comparison) -> dict[str, Any]:
    return {
        "position": comparison.position,
        "rows": comparison.rows,
        **{kind: comparison.counts[kind] for kind in KINDS},
        "differences": [_difference_as_json(difference) for difference in comparison.first],
        "not_compared": list(comparison.left_out),
    }


def _difference_as_json(difference: Difference) -> dict[str, Any]:
    return {
        "table": difference.table,
        "kind": difference.kind,
        "key": dict(difference.key),
        "live": dict(difference.live),
        "rebuilt": dict(difference.rebuilt),
    }


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(f"credit-ledger: {message}", err=True)
    raise typer.Exit(status)
