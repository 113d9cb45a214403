"""`credit-ledger catalog`: shows the plans and packages that are sold, and puts those of a file into the catalogue."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer

from api.cli.errors import FAILED, Failure, Failures, reported
from api.runtime.database import database
from api.runtime.settings import Settings
from billing import catalog
from billing.catalog_changes import EFFECTS, Change, Entry, FieldChange, Wanted, leaf_text
from billing.catalog_file import read_catalog
from billing.errors import BillingRefused, WrongCatalog
from billing.plans import Plan, PlanPrice, Price, Sold, as_json
from ledger.explain.money import in_units
from ledger.explain.sentences import counted
from ledger.postgres.connecting import connect_async

File = Annotated[Path, typer.Argument(metavar="FILE", help="A TOML file of plans and packages.")]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="End with status 1 if something would change.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
FoundT = TypeVar("FoundT")

_FAILURES: Failures = {
    WrongCatalog: Failure(),
    BillingRefused: Failure(line=lambda error: f"nothing is changed: {error.detail}"),
}


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `catalog` to the command line."""
    group = typer.Typer(help="Plans and packages: show, diff, apply.", no_args_is_help=True)
    app.add_typer(group, name="catalog")

    @group.command("show")
    def show(*, json: Json = False) -> None:
        """Show the newest version of each plan and package."""
        with reported(_FAILURES):
            found = _asked(load_settings(), catalog.newest)
        typer.echo(_dumped({"entries": [_entry_as_json(one) for one in found]}) if json else _shown(found))

    @group.command("diff")
    def diff(file: File, *, exit_code: ExitCode = False, json: Json = False) -> None:
        """Show what `apply` would change, and for whom. It changes nothing."""
        with reported(_FAILURES):
            wanted = read_catalog(file).wanted
            found, left = _asked(load_settings(), lambda connection: _compared(connection, wanted))
        typer.echo(_dumped(_as_json(found, left)) if json else "\n".join(_told(found, left)))
        if exit_code and not all(change.is_same for change in found):
            raise typer.Exit(FAILED)

    @group.command("apply")
    def apply(file: File, *, json: Json = False) -> None:
        """Put the plans and packages of a file into the catalogue: all of them, or none."""
        by = f"operator:{getpass.getuser()}"
        with reported(_FAILURES):
            wanted = read_catalog(file).wanted
            found = _asked(load_settings(), lambda connection: catalog.put(connection, wanted, by))
        typer.echo(_dumped(_as_json(found, [])) if json else "\n".join(_told(found, [])))


async def _compared(connection: catalog.Connection, wanted: Sequence[Wanted]) -> tuple[list[Change], list[Entry]]:
    """What some entries would change, and what there is."""
    return await catalog.changes(connection, wanted), await catalog.newest(connection)


def _asked(settings: Settings, ask: Callable[[catalog.Connection], Awaitable[FoundT]]) -> FoundT:
    """What the catalogue answers."""

    async def answered(conninfo: str) -> FoundT:
        async with await connect_async(conninfo) as connection:
            return await ask(connection)

    with database(settings) as conninfo:
        return asyncio.run(answered(conninfo))


# For people -------------------------------------------------------------------------------------------------------


def _shown(entries: Sequence[Entry]) -> str:
    return "\n".join(line for entry in entries for line in _entry_lines(entry)) or "the catalogue is empty"


def _entry_lines(entry: Entry) -> Iterator[str]:
    hidden = "" if entry.body.listed else ", not listed"
    yield f"{entry.kind} {entry.id}: {entry.body.name}, version {entry.version}{hidden}"
    yield f"  {summary(entry.body)}"
    for price in entry.body.prices:
        yield f"  {price.price}: {_price_text(price)}{_products_text(price)}"


def summary(body: Sold) -> str:
    """The credits of a plan or package in a line."""
    if not isinstance(body, Plan):
        locked = ", with a subscription only" if body.needs_subscription else ""
        return f"{counted(body.credits, 'permanent credit')}{locked}"
    parts = [f"{counted(body.credits, 'credit')} every {body.every}"]
    if body.roll_over:
        parts.append(f"up to {body.roll_over.cap:,} roll over")
    if body.trial:
        parts.append(f"trial of {counted(body.trial.days, 'day')} with {counted(body.trial.credits)}")
    return ", ".join([*parts, *([] if body.prices else ["free"])])


def _price_text(price: Price) -> str:
    money = f"{price.currency} {in_units(price.amount_minor, price.currency):,f}"
    return f"{money} every {price.interval}" if isinstance(price, PlanPrice) else money


def _products_text(price: Price) -> str:
    return "".join(f", {provider} {product_id}" for provider, product_id in sorted(price.products.items()))


def _told(changes: Sequence[Change], left: Sequence[Entry]) -> Iterator[str]:
    for change in changes:
        yield from _change_lines(change)
    for entry in _left_out(changes, left):
        yield f"{entry.kind} {entry.id}: not in the file, and stays as it is (version {entry.version})"
    new = sum(not change.is_same for change in changes)
    yield f"{counted(new, 'new version')}, {len(changes) - new:,} as before"


def _change_lines(change: Change) -> Iterator[str]:
    title = f"{change.kind} {change.id}"
    if change.is_same:
        yield f"{title}: as before (version {change.version})"
        return
    if change.before is None:
        yield f"{title}: new, version 1"
        yield f"  {summary(change.body)}"
        yield from (f"  {price.price}: {_price_text(price)}{_products_text(price)}" for price in change.body.prices)
        return
    yield f"{title}: version {change.before.version} -> {change.version}"
    for effect, words in EFFECTS.items():
        fields = [field for field in change.fields if field.effect == effect]
        if fields:
            yield f"  {words}:"
            yield from (f"    {field.field}: {leaf_text(field.before)} -> {leaf_text(field.after)}" for field in fields)


def _left_out(changes: Sequence[Change], entries: Sequence[Entry]) -> list[Entry]:
    named = {(change.kind, change.id) for change in changes}
    return [entry for entry in entries if (entry.kind, entry.id) not in named]


# For programs -----------------------------------------------------------------------------------------------------


def _dumped(found: dict[str, Any]) -> str:
    return orjson.dumps(found).decode()


def _entry_as_json(entry: Entry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "id": entry.id,
        "version": entry.version,
        "sha256": entry.sha256.hex(),
        "created_by": entry.created_by,
        "created_at": entry.created_at,
        **as_json(entry.body),
    }


def _as_json(changes: Sequence[Change], left: Sequence[Entry]) -> dict[str, Any]:
    return {
        "changes": [_change_as_json(change) for change in changes],
        "not_in_file": [
            {"kind": entry.kind, "id": entry.id, "version": entry.version} for entry in _left_out(changes, left)
        ],
    }


def _change_as_json(change: Change) -> dict[str, Any]:
    state = "same" if change.is_same else "new" if change.before is None else "changed"
    fields = [] if change.is_same else change.fields
    return {
        "kind": change.kind,
        "id": change.id,
        "state": state,
        "version": change.version,
        "fields": [_field_as_json(field) for field in fields],
    }


def _field_as_json(field: FieldChange) -> dict[str, Any]:
    return {"field": field.field, "before": field.before, "after": field.after, "for": field.effect}
