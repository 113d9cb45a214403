"""`credit-ledger prices`: shows the price book, compares a file with it, publishes one, drafts one for review, and says
what another one would have cost."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any, TypeVar

import orjson
import typer

from api.cli import what_if
from api.cli.errors import FAILED, Failure, Failures, reported
from api.runtime.database import database
from api.runtime.settings import Settings
from billing.errors import BillingRefused, WrongPriceBook
from billing.prices import table
from billing.prices.document import BookDocument, RateBody
from billing.prices.drafts import Draft, Terms, draft
from billing.prices.files import as_toml, read_book
from billing.prices.public_prices import of_genai_prices, of_litellm
from billing.prices.table import BookVersion, Published
from billing.prices.wording import RateChange, globs_of, rate_changes, rate_text
from ledger.explain.sentences import counted
from ledger.postgres.connecting import connect_async

File = Annotated[Path, typer.Argument(metavar="FILE", help="A price book: TOML, or JSON if its name ends in .json.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="End with status 1 if something would change.")]
FoundT = TypeVar("FoundT")
_FAILURES: Failures = {
    WrongPriceBook: Failure(),
    BillingRefused: Failure(line=lambda error: f"nothing is changed: {error.detail}"),
}


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `prices` to the command line."""
    group = typer.Typer(help="The price book: show, diff, publish, draft, what-if.", no_args_is_help=True)
    app.add_typer(group, name="prices")

    @group.command("show")
    def show(
        version: Annotated[int | None, typer.Option(min=1, help="A version; default: the one in force.")] = None,
        *,
        json: Json = False,
    ) -> None:
        """Show the versions of the price book, and the rates of one."""
        with reported(_FAILURES):
            versions, found = _asked(load_settings(), lambda connection: _found(connection, version))
        typer.echo(_dumped(_as_json(versions, found)) if json else "\n".join(_shown(versions, found)))

    @group.command("diff")
    def diff(file: File, *, exit_code: ExitCode = False, json: Json = False) -> None:
        """Show which rates of a file differ from the book in force. It changes nothing."""
        with reported(_FAILURES):
            wanted = read_book(file)
            _, found = _asked(load_settings(), lambda connection: _found(connection, None))
        changes = list(rate_changes(found and found.document, wanted))
        typer.echo(_dumped({"changes": [_change_as_json(one) for one in changes]}) if json else _told(changes))
        if exit_code and changes:
            raise typer.Exit(FAILED)

    @group.command("publish")
    def publish(
        file: File,
        effective_at: Annotated[
            datetime | None, typer.Option(help="From when on it is in force, in UTC; default: at once.")
        ] = None,
        *,
        json: Json = False,
    ) -> None:
        """Publish the price book of a file as a new version."""
        by, at = f"operator:{getpass.getuser()}", effective_at and effective_at.replace(tzinfo=UTC)
        with reported(_FAILURES):
            wanted = read_book(file)
            made, versions = _asked(load_settings(), lambda connection: _publish(connection, wanted, at, by))
        typer.echo(_dumped(_version_as_json(made.version)) if json else _published(made, versions))

    what_if.add_to(group, load_settings)
    _add_draft(group)


def _add_draft(group: typer.Typer) -> None:
    @group.command("draft")
    def make_draft(
        credit_usd: Annotated[str, typer.Option(help="What a credit is worth in US dollars, such as 0.001.")],
        mark_up: Annotated[str, typer.Option(help="Percent that are added to what providers charge.")] = "0",
        provider: Annotated[list[str] | None, typer.Option(help="Only this provider; can be repeated.")] = None,
        litellm: Annotated[Path | None, typer.Option(help="A price file of LiteLLM, in place of genai-prices.")] = None,
    ) -> None:
        """Write a draft of a price book to the standard output, from public prices. A person reviews it."""
        with reported(_FAILURES):
            terms = Terms(_number("--credit-usd", credit_usd, least=Fraction(1, 10**9)), _number("--mark-up", mark_up))
            now, providers = datetime.now(UTC), provider or []
            public = of_litellm(litellm, providers) if litellm else of_genai_prices(providers, now)
            try:
                made = draft(public, terms)
            except ValueError as error:
                raise WrongPriceBook(str(error)) from error
            if not made.rates:
                raise WrongPriceBook("no model has a price there that a rate can have")
        source = f"the file {litellm.name}" if litellm else "genai-prices"
        heads = [
            f"A draft, made {now:%Y-%m-%d} from {source}: {counted(len(made.rates), 'rate')}.",
            f"A credit is worth {credit_usd} US dollars; the mark-up is {mark_up} percent. Review it, then:",
            "credit-ledger prices diff FILE; credit-ledger prices publish FILE",
            "",
            *_remarks(made),
        ]
        if made.left_out:
            heads.append(f"Left out: {counted(made.left_out, 'name')} without a price that a rate can have.")
        typer.echo(as_toml(made.rates, heads), nl=False)


def _remarks(made: Draft) -> Iterator[str]:
    """Each remark, with the models that it is about."""
    for remark, models in made.remarks.items():
        yield f"{remark}:"
        for provider, names in models.items():
            text = f"{provider} / {', '.join(names)}"
            yield from wrap(text, 110, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _number(option: str, text: str, least: Fraction = Fraction()) -> Fraction:
    try:
        number = Fraction(text)
    except (ValueError, ZeroDivisionError):
        number = Fraction(-1)
    if not least <= number <= 10**9:
        raise WrongPriceBook(f"{option}: {text!r:.64} is not a number from {least} to 1000000000, such as 0.25")
    return number


async def _found(connection: table.Connection, version: int | None) -> tuple[list[BookVersion], Published | None]:
    """All versions, and one with its rates: that with a number, or the one in force."""
    versions = await table.versions(connection)
    current = table.in_force(versions, datetime.now(UTC))
    number = current.version if version is None and current is not None else version
    return versions, None if number is None else await table.find(connection, number)


async def _publish(
    connection: table.Connection, wanted: BookDocument, at: datetime | None, by: str
) -> tuple[Published, list[BookVersion]]:
    """The published version, and all versions after it."""
    made = await table.publish(connection, wanted, at, by)
    return made, await table.versions(connection)


def _asked(settings: Settings, ask: Callable[[table.Connection], Awaitable[FoundT]]) -> FoundT:
    """What the price book answers."""

    async def answered(conninfo: str) -> FoundT:
        async with await connect_async(conninfo) as connection:
            return await ask(connection)

    with database(settings) as conninfo:
        return asyncio.run(answered(conninfo))


# For people -------------------------------------------------------------------------------------------------------


def _shown(versions: Sequence[BookVersion], found: Published | None) -> Iterator[str]:
    if not versions:
        yield "no price book is published"
    for one in versions:
        yield _version_line(one)
    if found is not None:
        yield f"the rates of version {found.version.version} (provider / model / metric):"
        yield from (f"  {_globs(rate)}: {rate_text(rate)}" for rate in found.document.rates)


def _version_line(one: BookVersion) -> str:
    return (
        f"version {one.version}: from {one.effective_at:%Y-%m-%d %H:%M:%S} UTC, {counted(one.rates, 'rate')}, "
        f"by {one.created_by}, sha256 {one.sha256.hex()[:16]}…"
    )


def _published(made: Published, versions: Sequence[BookVersion]) -> str:
    """What was published, and which version takes its place, if one is planned: it may have been made long before."""
    line = _version_line(made.version)
    head = f"published {line}" if made.is_new else f"as before: {line}"
    places = [(one.effective_at, one.version) for one in versions]
    then = min((one for one in places if one > (made.version.effective_at, made.version.version)), default=None)
    return head if then is None else f"{head}\nversion {then[1]} takes its place from {then[0]:%Y-%m-%d %H:%M:%S} UTC"


def _globs(rate: RateBody) -> str:
    return " / ".join(globs_of(rate))


def _told(changes: Sequence[RateChange]) -> str:
    lines = [line for change in changes for line in _change_lines(change)]
    head = ["provider / model / metric"] if lines else []
    return "\n".join([*head, *lines, f"{counted(len(changes), 'rate')} would change"])


def _change_lines(change: RateChange) -> Iterator[str]:
    yield " / ".join(change.fits)
    if change.before is not None:
        yield f"  - {rate_text(change.before)}"
    if change.after is not None:
        yield f"  + {rate_text(change.after)}"


# For programs -----------------------------------------------------------------------------------------------------


def _dumped(found: dict[str, Any]) -> str:
    return orjson.dumps(found).decode()


def _as_json(versions: Sequence[BookVersion], found: Published | None) -> dict[str, Any]:
    shown = None if found is None else {**_version_as_json(found.version), **found.document.as_json()}
    return {"versions": [_version_as_json(one) for one in versions], "shown": shown}


def _version_as_json(one: BookVersion) -> dict[str, Any]:
    return {**one._asdict(), "sha256": one.sha256.hex(), "rates": one.rates}


def _change_as_json(change: RateChange) -> dict[str, Any]:
    before, after = (one and one.model_dump(mode="json") for one in (change.before, change.after))
    return {**change.fits._asdict(), "before": before, "after": after}
