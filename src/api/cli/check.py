"""`credit-ledger check`: the options, what is compared, and how it is told. It mends nothing and builds nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, NoReturn

import orjson
import psycopg
import typer

from api.cli.progress import showing_progress
from api.runtime.database import database
from api.runtime.settings import Settings
from ledger.progress import Progress
from projections.checks.check import Checked, Difference, check_accounts, check_totals
from projections.checks.refold import Connection, connect
from projections.checks.roster import how_many, log_end, next_accounts, sample, without_events

SAMPLE = 100
PIECE = 50
"""Accounts that are compared together."""
PRINTED, PRINTED_IN_JSON = 20, 1_000
CLEAN, DRIFT, UNCHECKED = 0, 1, 3
"""Exit statuses; 2 is that of wrong options."""

Accounts = Annotated[list[str] | None, typer.Argument(metavar="ACCOUNT", help="The accounts to check.")]
Size = Annotated[
    int | None, typer.Option("--accounts", min=1, metavar="N", help=f"So many at random. Default: {SAMPLE}.")
]
All = Annotated[bool, typer.Option("--all", help="Every account, and the sums over all of them.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@dataclass(slots=True)
class Report:
    """What all pieces of a check came to. Of the differences it keeps the first, and the count."""

    accounts: int = 0
    events: int = 0
    positions: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of each projection the lowest and the highest position at which it was compared."""
    log_position: int = 0
    totals: bool = False
    count: int = 0
    differences: list[Difference] = field(default_factory=list)
    unchecked: dict[str, str] = field(default_factory=dict)

    def add(self, piece: Checked) -> None:
        """Take in a piece."""
        self.accounts += piece.accounts
        self.events += piece.events
        for name, position in piece.positions.items():
            low, high = self.positions.get(name, (position, position))
            self.positions[name] = min(low, position), max(high, position)
        self.count += len(piece.differences)
        self.differences += piece.differences[: PRINTED_IN_JSON - len(self.differences)]
        self.unchecked |= piece.unchecked

    @property
    def status(self) -> int:
        """The exit status: what differs is worse than what could not be compared."""
        if self.count:
            return DRIFT
        return UNCHECKED if self.unchecked else CLEAN

    def as_text(self) -> str:
        """For people."""
        lines = [f"checked {self.accounts:,} accounts with {self.events:,} events"]
        lines[0] += ", and the sums over all accounts" if self.totals else ""
        lines += [f"  {_named(names)} {_between(*span)}" for span, names in self._spans().items()]
        lines.append(f"  the log ended at position {self.log_position:,}")
        lines += [f"not checked: {name}: {why}" for name, why in self.unchecked.items()]
        lines.append(f"{self.count:,} differences" + (":" if self.count else ""))
        lines += [f"  {difference.words}" for difference in self.differences[:PRINTED]]
        if self.count > PRINTED:
            lines.append(f"  and {self.count - PRINTED:,} more")
        return "\n".join(lines)

    def _spans(self) -> dict[tuple[int, int], list[str]]:
        spans: dict[tuple[int, int], list[str]] = {}
        for name, span in self.positions.items():
            spans.setdefault(span, []).append(name)
        return spans

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "status": {CLEAN: "clean", DRIFT: "drift", UNCHECKED: "unchecked"}[self.status],
            "accounts": self.accounts,
            "events": self.events,
            "totals": self.totals,
            "positions": {name: {"lowest": low, "highest": high} for name, (low, high) in self.positions.items()},
            "log_position": self.log_position,
            "differences": self.count,
            "first": [_as_json(difference) for difference in self.differences],
            "unchecked": self.unchecked,
        }


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Give the command line its `check`."""

    @app.command("check")
    def check(accounts: Accounts = None, *, all_: All = False, size: Size = None, json: Json = False) -> None:
        """Compare the projections with what the events add up to. Status 0: no difference, 1: some, 3: not checked."""
        if (accounts is not None) + all_ + (size is not None) > 1:
            raise typer.BadParameter("choose one of accounts by name, --accounts and --all")
        settings = load_settings()
        try:
            with showing_progress() as progress, database(settings) as conninfo:
                report = asyncio.run(_checked(conninfo, _Wanted(accounts, all_, size or SAMPLE), progress))
        except psycopg.OperationalError as error:
            _fail(f"the database cannot be reached: {str(error).strip()}", UNCHECKED)
        except psycopg.errors.InsufficientPrivilege as error:
            _fail(f"the database does not let us check: {str(error).strip()}", UNCHECKED)
        except KeyboardInterrupt:
            _fail("interrupted", 130)
        typer.echo(orjson.dumps(report.as_json()).decode() if json else report.as_text())
        raise typer.Exit(report.status)


@dataclass(frozen=True, slots=True)
class _Wanted:
    names: list[str] | None
    all: bool
    size: int


async def _checked(conninfo: str, wanted: _Wanted, progress: Progress) -> Report:
    report = Report()
    async with await connect(conninfo) as connection:
        report.log_position = await log_end(connection)
        async for piece in _pieces(connection, wanted, progress):
            report.add(await check_accounts(connection, piece))
            progress.reach(report.accounts)
        if wanted.names:
            known = {difference.account_id for difference in report.differences}
            missing = [name for name in await without_events(connection, wanted.names) if name not in known]
            report.unchecked |= {f"account {name}": "the ledger has no such account" for name in missing}
        if wanted.all:
            await _add_totals(connection, report, progress)
    return report


async def _pieces(connection: Connection, wanted: _Wanted, progress: Progress) -> AsyncIterator[list[str]]:
    """The accounts to check, some at a time."""
    if wanted.all:
        progress.begin("checking", await how_many(connection), "accounts")
        after = ""
        while piece := await next_accounts(connection, after, PIECE):
            after = piece[-1]
            yield piece
        return
    names = list(dict.fromkeys(wanted.names)) if wanted.names else await sample(connection, wanted.size)
    progress.begin("checking", len(names), "accounts")
    for start in range(0, len(names), PIECE):
        yield names[start : start + PIECE]


async def _add_totals(connection: Connection, report: Report, progress: Progress) -> None:
    progress.begin("adding up", 1, "ledger")
    totals = await check_totals(connection)
    report.totals = not totals.unchecked
    report.add(totals)
    progress.reach(1)


def _as_json(difference: Difference) -> dict[str, Any]:
    return {
        "account_id": difference.account_id or None,
        "projection": difference.projection,
        "table": difference.table,
        "key": difference.key,
        "expected": difference.expected,
        "found": difference.found,
        "words": difference.words,
    }


def _named(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _between(low: int, high: int) -> str:
    return f"at position {low:,}" if low == high else f"at positions {low:,} to {high:,}"


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(f"credit-ledger: {message}", err=True)
    raise typer.Exit(status)
