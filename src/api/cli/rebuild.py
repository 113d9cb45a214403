"""`credit-ledger rebuild`: builds projections anew beside those in use, reports the differences, and switches."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import orjson
import typer

from api.cli.errors import Failure, Failures, interrupted, reported, warn
from api.cli.progress import showing_progress
from api.runtime.database import database
from api.runtime.settings import Settings
from ledger.store import EventLog, Feed
from projections.engine.builds import BuildMoved, Connection, prepare
from projections.engine.compare import KINDS, Comparison, Difference
from projections.engine.rebuild import BlockedByReaders, CannotBuild, RebuildRunning, Rebuilt, rebuild, rebuilding
from projections.engine.upgrade import summary
from projections.models.catalog import BY_NAME, PROJECTIONS
from projections.models.projection import Projection

Names = Annotated[
    list[str] | None, typer.Argument(metavar="NAME", help=f"Some of {', '.join(BY_NAME)}. Default: all of them.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Outcome = Rebuilt | CannotBuild

FAILURES: Failures = {
    RebuildRunning: Failure(),
    BlockedByReaders: Failure(),
    BuildMoved: Failure(line=lambda _: "another process has changed the new tables; run the same command again"),
    KeyboardInterrupt: interrupted("projections that were not switched are as before; run the same command again"),
}


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `rebuild` to the command line."""

    @app.command("rebuild")
    def rebuild_(names: Names = None, *, json: Json = False) -> None:
        """Build projections anew while they are in use. It can be stopped at any moment and run again."""
        projections = _named(names or [])
        show = _silent if json else _print
        with reported(FAILURES), database(load_settings()) as conninfo:
            prepare(conninfo)
            outcomes = asyncio.run(_rebuild_all(conninfo, projections, show))
        if json:
            typer.echo(orjson.dumps([_as_json(outcome) for outcome in outcomes]).decode())
        raise typer.Exit(1 if any(isinstance(outcome, CannotBuild) for outcome in outcomes) else 0)


def _named(names: list[str]) -> list[Projection]:
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: choose from {', '.join(BY_NAME)}", param_hint="NAME")
    return [projection for projection in PROJECTIONS if not names or projection.name in names]


async def _rebuild_all(conninfo: str, projections: list[Projection], show: Callable[[Outcome], None]) -> list[Outcome]:
    """Rebuild one projection after the other. One that cannot be built does not stop the others."""
    outcomes: list[Outcome] = []
    log = EventLog(conninfo, readers=1)
    await log.open()
    try:
        async with rebuilding(conninfo) as connection:
            for projection in projections:
                outcomes.append(await _rebuild(connection, Feed(log), projection))
                show(outcomes[-1])
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
            typer.echo(f"{outcome.projection.name}: {summary(outcome)}")
            if outcome.comparison is not None:
                _print_differences(outcome.comparison)
        case CannotBuild():
            warn(f"{outcome.projection.name}: {outcome}; the old one stays in use")


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
