"""`credit-ledger check`: compares projections with the events. It repairs nothing and rebuilds nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
import typer

from api.cli.errors import NOT_DONE, reported
from api.cli.progress import showing_progress
from api.runtime.database import database
from api.runtime.settings import Settings
from ledger.explain.sentences import counted
from ledger.progress import Progress
from projections.checks.check import Checked, Difference, check_accounts, check_totals
from projections.checks.refold import Connection, connect
from projections.checks.roster import how_many, log_end, next_accounts, sample, without_events

SAMPLE = 100
BATCH = 50
"""Accounts that one query compares."""
PRINTED, PRINTED_IN_JSON = 20, 1_000
CLEAN, DRIFT, UNCHECKED = 0, 1, NOT_DONE
"""Exit statuses."""

Accounts = Annotated[list[str] | None, typer.Argument(metavar="ACCOUNT", help="The accounts to check.")]
Size = Annotated[
    int | None,
    typer.Option("--accounts", min=1, metavar="N", help=f"Check N accounts, chosen at random. Default: {SAMPLE}."),
]
All = Annotated[bool, typer.Option("--all", help="Check every account, and the sums over all accounts.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@dataclass(slots=True)
class Report:
    """The result of a check over all its batches. It counts all differences and keeps the first ones."""

    accounts: int = 0
    events: int = 0
    positions: dict[str, tuple[int, int]] = field(default_factory=dict)
    """For each projection the lowest and the highest position at which it was compared."""
    log_position: int = 0
    totals: bool = False
    count: int = 0
    differences: list[Difference] = field(default_factory=list)
    unchecked: dict[str, str] = field(default_factory=dict)

    def add(self, batch: Checked) -> None:
        """Add the result of a batch."""
        self.accounts += batch.accounts
        self.events += batch.events
        for name, position in batch.positions.items():
            low, high = self.positions.get(name, (position, position))
            self.positions[name] = min(low, position), max(high, position)
        self.count += len(batch.differences)
        self.differences += batch.differences[: PRINTED_IN_JSON - len(self.differences)]
        self.unchecked |= batch.unchecked

    @property
    def status(self) -> int:
        """The exit status. A difference outweighs what could not be compared."""
        if self.count:
            return DRIFT
        return UNCHECKED if self.unchecked else CLEAN

    def as_text(self) -> str:
        """For people."""
        lines = [f"checked {counted(self.accounts, 'account')} with {counted(self.events, 'event')}"]
        lines[0] += ", and the sums over all accounts" if self.totals else ""
        lines += [f"  {_named(names)} {_between(*span)}" for span, names in self._spans().items()]
        lines.append(f"  the log ended at position {self.log_position:,}")
        lines += [f"not checked: {name}: {why}" for name, why in self.unchecked.items()]
        lines.append(counted(self.count, "difference") + (":" if self.count else ""))
        lines += [f"  {difference.text}" for difference in self.differences[:PRINTED]]
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
    """Add `check` to the command line."""

    @app.command("check")
    def check(accounts: Accounts = None, *, all_: All = False, size: Size = None, json: Json = False) -> None:
        """Compare the projections with the events. Exit status 0: no difference, 1: differences, 3: not checked."""
        if (accounts is not None) + all_ + (size is not None) > 1:
            raise typer.BadParameter("choose one: names of accounts, --accounts or --all")
        wanted = _Wanted(accounts, all_, size or SAMPLE)
        with reported(otherwise=UNCHECKED), showing_progress() as progress, database(load_settings()) as conninfo:
            report = asyncio.run(_checked(conninfo, wanted, progress))
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
        async for batch in _batches(connection, wanted, progress):
            report.add(await check_accounts(connection, batch))
            progress.reach(report.accounts)
        if wanted.names:
            known = {difference.account_id for difference in report.differences}
            missing = [name for name in await without_events(connection, wanted.names) if name not in known]
            report.unchecked |= {f"account {name}": "there is no such account" for name in missing}
        if wanted.all:
            await _add_totals(connection, report, progress)
    return report


async def _batches(connection: Connection, wanted: _Wanted, progress: Progress) -> AsyncIterator[list[str]]:
    """The accounts to check, a batch at a time."""
    if wanted.all:
        progress.begin("checking", await how_many(connection), "accounts")
        after = ""
        while batch := await next_accounts(connection, after, BATCH):
            after = batch[-1]
            yield batch
        return
    names = list(dict.fromkeys(wanted.names)) if wanted.names else await sample(connection, wanted.size)
    progress.begin("checking", len(names), "accounts")
    for start in range(0, len(names), BATCH):
        yield names[start : start + BATCH]


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
        "words": difference.text,
    }


def _named(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _between(low: int, high: int) -> str:
    return f"at position {low:,}" if low == high else f"at positions {low:,} to {high:,}"
