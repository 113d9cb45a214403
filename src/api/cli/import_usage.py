"""`credit-ledger import`: its options, its import and its report."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Annotated

import orjson
import typer

from api.cli.errors import WRONG_OPTION, Failure, Failures, interrupted, reported
from api.cli.progress import showing_progress
from api.contract.operations import Defaults
from api.imports.formula import FormulaError
from api.imports.importing import Import, OpeningRefused, check, stopped_by_signals
from api.imports.rating import Opening, OptionProblem, Options
from api.imports.report import Report, Tally
from api.imports.usage_file import FileProblem
from api.runtime.database import database
from api.runtime.settings import Settings
from ledger.progress import Progress
from ledger.service import Ledger

File = Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file in UTF-8. Its first line names the columns.")]
Account = Annotated[
    str,
    typer.Option(
        metavar="TEMPLATE", help="The account of a row: '{customer}' or 'user-{row % 500}'.", show_default=False
    ),
]
Amount = Annotated[
    str, typer.Option(metavar="FORMULA", help="The credits of a row: 'ceil((Input + 3 * Output) / 100)'.")
]
Time = Annotated[
    str | None,
    typer.Option("--time", metavar="COLUMN", help="The time of the usage; stored as `occurred_at` in the metadata."),
]
Task = Annotated[
    str | None, typer.Option(metavar="TEMPLATE", help="The task id. Default: the job's name and the row's number.")
]
Job = Annotated[
    str | None, typer.Option(metavar="NAME", help="The job's name: one for each file. Default: the file's name.")
]
Usage = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=TEXT", help="A field of the usage: 'model={Model}', 'input_tokens=Input'. Can be repeated."
    ),
]
OpenSignup = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Open accounts that do not exist, with N signup credits.")
]
OpenSubscription = Annotated[int | None, typer.Option(min=0, metavar="N", help="The same with N subscription credits.")]
OpenPermanent = Annotated[int | None, typer.Option(min=0, metavar="N", help="The same with N permanent credits.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Compute the credits of all rows and record nothing.")]
StopOnRefusal = Annotated[
    bool, typer.Option("--stop-on-refusal", help="Stop at the first row that the ledger refuses.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `import` to the command line."""

    @app.command("import")
    def import_(
        file: File,
        *,
        account: Account,
        amount: Amount,
        time: Time = None,
        task: Task = None,
        job: Job = None,
        usage: Usage = None,
        open_signup: OpenSignup = None,
        open_subscription: OpenSubscription = None,
        open_permanent: OpenPermanent = None,
        dry_run: DryRun = False,
        stop_on_refusal: StopOnRefusal = False,
        json: Json = False,
    ) -> None:
        """Deduct the credits of each row of a CSV file of usage. It can be stopped at any moment and run again."""
        settings = load_settings()
        with reported(_failures(file)):
            opening = _opening(open_signup, open_subscription, open_permanent)
            name = file.name if job is None else job
            options = Options(name, account, amount, time, task, _usage(usage or []), opening)
            report = _run(file, options, settings, dry_run=dry_run, stop_on_refusal=stop_on_refusal)
        typer.echo(orjson.dumps(report.as_json()).decode() if json else report.as_text())
        raise typer.Exit(report.status)


def _failures(file: Path) -> Failures:
    return {
        FileProblem: Failure(line=lambda problem: f"{file}: {problem}"),
        OpeningRefused: Failure(),
        FormulaError: Failure(WRONG_OPTION),
        OptionProblem: Failure(WRONG_OPTION),
        KeyboardInterrupt: interrupted("run the same command again to continue"),
    }


def _opening(signup: int | None, subscription: int | None, permanent: int | None) -> Opening | None:
    """The credits of an opening, if any of the options is given. An option that is not given is 0."""
    if signup is subscription is permanent is None:
        return None
    return Opening(signup or 0, subscription or 0, permanent or 0)


def _usage(pairs: list[str]) -> dict[str, str]:
    usage: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise OptionProblem(f"--usage: {pair!r} must be FIELD=TEXT, such as 'model={{Model}}'")
        if name in usage:
            raise OptionProblem(f"--usage: {name} is given twice")
        usage[name] = text
    return usage


def _run(file: Path, options: Options, settings: Settings, *, dry_run: bool, stop_on_refusal: bool) -> Report:
    began = monotonic()
    defaults = Defaults(settings.signup_credits, timedelta(days=settings.subscription_days))
    with showing_progress() as progress:
        checked = check(file, options, defaults, progress)
        tally = checked
        if not dry_run:
            with database(settings) as conninfo:
                ledger = Ledger(conninfo, cached_accounts=settings.cached_accounts)
                work = Import(ledger, options, defaults, stop_on_refusal=stop_on_refusal)
                tally = asyncio.run(_record(ledger, work, file, checked.rows, progress))
    return Report(options.job, tally, checked.rows, monotonic() - began, dry_run)


async def _record(ledger: Ledger, work: Import, file: Path, rows: int, progress: Progress) -> Tally:
    with stopped_by_signals(work):
        async with ledger.running():
            return await work.run(file, rows, progress)
