"""`credit-ledger prices what-if`: what the usage of some days would have cost under another price book."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
import typer

from api.cli.errors import Failure, Failures, interrupted, reported
from api.cli.progress import showing_progress
from api.runtime.database import database
from api.runtime.settings import Settings
from audit.what_if.costs import Costs, Groups, Name, WhatIf
from audit.what_if.reading import Wanted, what_if
from audit.what_if.report import as_json, reason
from billing.errors import BillingRefused, WrongPriceBook
from billing.prices import table
from billing.prices.files import read_book
from ledger.domain.periods import DAY, UnknownZone, day_start, zone
from ledger.domain.pricing.book import PriceBook
from ledger.explain.sentences import counted
from ledger.progress import Progress
from ledger.store import EventLog, UnreadableEvent
from projections.models.days import FIRST_DATE, LAST_DATE

LISTED = 20
"""The groups of a kind that the report for people has. The one for programs has all."""
_PROGRESS_AFTER = 2.0
Book = Annotated[Path | None, typer.Option(metavar="FILE", help="The other price book: TOML, or JSON.")]
Version = Annotated[int | None, typer.Option(min=1, metavar="N", help="Or a version that was published.")]
From = Annotated[str, typer.Option("--from", metavar="DAY", help="The first day, such as 2026-07-01.")]
To = Annotated[str, typer.Option(metavar="DAY", help="The last day.")]
Tz = Annotated[str, typer.Option(metavar="ZONE", help="The time zone of the days, such as Europe/Berlin.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs: all groups.")]
_FAILURES: Failures = {
    WrongPriceBook: Failure(),
    BillingRefused: Failure(line=lambda error: error.detail),
    UnreadableEvent: Failure(),
    KeyboardInterrupt: interrupted("nothing is ever written; run the same command again"),
}


class _Days(NamedTuple):
    """Local days; the last one is included."""

    first: date
    last: date
    tz: ZoneInfo


def add_to(group: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `what-if` to the commands of the price book."""

    @group.command("what-if")
    def what_if_(
        *, book: Book = None, book_version: Version = None, from_: From, to: To, tz: Tz = "UTC", json: Json = False
    ) -> None:
        """Show what the usage of some days would have cost under another book. It writes nothing.

        Days count by the time of recording. Usage that the other book has no price for is told apart.
        """
        if (book is None) == (book_version is None):
            raise typer.BadParameter("name one book: a file, or a version", param_hint="--book, --book-version")
        days = _days(from_, to, tz)
        with reported(_FAILURES):
            named = None if book is None else read_book(book).book(0)
            with showing_progress(_PROGRESS_AFTER) as progress, database(load_settings()) as conninfo:
                other, found = asyncio.run(_found(conninfo, named, book_version, days, progress))
        if json:
            about = {"from": days.first, "to": days.last, "tz": days.tz.key, "book": _book(other)}
            typer.echo(orjson.dumps({**about, **as_json(found)}).decode())
        else:
            typer.echo("\n".join(_told(days, other, found)))


def _days(first: str, last: str, tz: str) -> _Days:
    try:
        days = _Days(_day("--from", first), _day("--to", last), zone(tz))
    except UnknownZone as error:
        raise typer.BadParameter(f"{tz!r} is no time zone of the IANA database", param_hint="--tz") from error
    if days.last < days.first:
        raise typer.BadParameter("the last day is before the first one", param_hint="--to")
    return days


def _day(option: str, text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if not FIRST_DATE <= found <= LAST_DATE:
        raise typer.BadParameter(
            f"{text!r:.64} must be a day from {FIRST_DATE} to {LAST_DATE}, such as 2026-07-31", param_hint=option
        )
    return found


async def _found(
    conninfo: str, named: PriceBook | None, version: int | None, days: _Days, progress: Progress
) -> tuple[PriceBook, WhatIf]:
    """The other book, and what it comes to."""
    log = EventLog(conninfo, readers=2)
    await log.open()
    try:
        book = named or await _published(log, version or 0)
        wanted = Wanted(book, day_start(days.first, days.tz), day_start(days.last + DAY, days.tz))
        return book, await what_if(log, wanted, progress)
    finally:
        await log.close()


async def _published(log: EventLog, version: int) -> PriceBook:
    async with log.connection() as connection:
        return (await table.find(connection, version)).document.book(version)


def _book(book: PriceBook) -> dict[str, Any]:
    return {"version": book.version or None, "sha256": book.sha256}


# For people -------------------------------------------------------------------------------------------------------


def _told(days: _Days, book: PriceBook, found: WhatIf) -> Iterator[str]:
    name = f"version {book.version}" if book.version else "the file"
    yield f"{days.first} to {days.last}, {days.tz.key}, under {name} (sha256 {book.sha256[:16]}…)"
    yield from _total(found.total)
    yield from _groups("by account", found.accounts)
    yield from _groups("by plan", found.plans)
    yield from _groups("by provider", found.providers)
    yield from _groups("by provider / model", found.models)
    yield from _refusals(found)


def _total(total: Costs) -> Iterator[str]:
    costs = f"cost {total.cost:,}, would cost {total.would_cost:,}: {_change(total)}"
    yield f"  priced by it    {total.uses:>12,} uses  {costs}"
    yield f"  refused by it   {total.refused_uses:>12,} uses  cost {total.refused_cost:,}"
    yield f"  without usage   {total.unsaid_uses:>12,} uses  cost {total.unsaid_cost:,}"
    if total.reversed:
        yield f"  {total.reversed:,} credits came back, and are taken away from all of it"


def _change(costs: Costs) -> str:
    share = f" ({100 * costs.difference / costs.cost:+.1f} %)" if costs.cost > 0 else ""
    return f"{costs.difference:+,}{share}"


def _groups(title: str, groups: Groups[Any]) -> Iterator[str]:
    """A table of the groups of a kind."""
    found = groups.sorted()
    if not found:
        return
    lines = [(_name(key), *_cells(costs)) for key, costs in found[:LISTED]]
    if groups.others is not None:
        lines.append(("others, together", *_cells(groups.others)))
    yield ""
    yield from _table((title, "cost", "would cost", "difference", "refused", "without usage"), lines)
    if len(found) > LISTED:
        yield f"  and {len(found) - LISTED:,} more: --json has them"


def _cells(costs: Costs) -> tuple[str, ...]:
    return (
        *(f"{costs.cost:,}", f"{costs.would_cost:,}", _change(costs)),
        *(f"{costs.refused_cost:,}", f"{costs.unsaid_cost:,}"),
    )


def _table(heads: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Lines whose cells stand below each other: names on the left, numbers on the right."""
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    for name, *numbers in (heads, *lines):
        cells = (number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True))
        yield "  ".join([f"  {name.ljust(widths[0])}", *cells])


def _name(key: Name | Sequence[Name]) -> str:
    parts = [key] if isinstance(key, str) or key is None else key
    return " / ".join("(none)" if part is None else part for part in parts)


def _refusals(found: WhatIf) -> Iterator[str]:
    refused = found.refusals.sorted()
    if refused:
        yield from ("", "  it refuses (provider / model / metric)")
    for one, costs in refused[:LISTED]:
        yield f"  {_name(one[:3])}: {counted(costs.refused_uses, 'use')}, cost {costs.refused_cost:,}. {reason(one)}"
    if len(refused) > LISTED:
        yield f"  and {len(refused) - LISTED:,} more: --json has them"
