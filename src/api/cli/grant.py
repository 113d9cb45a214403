"""`credit-ledger grant`: its options, and the run of its job."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Literal, NamedTuple

import orjson
import typer

from api.cli.errors import WRONG_OPTION, Failure, Failures, interrupted, reported
from api.cli.progress import showing_progress
from api.contract.operations import Defaults
from api.grant_jobs.job import GrantJob, OptionProblem, grant_job
from api.grant_jobs.recipients import ListProblem, in_file
from api.grant_jobs.report import Report
from api.grant_jobs.running import GrantRun, OtherTerms
from api.runtime.database import database
from api.runtime.settings import Settings
from ledger.commit.submission import Overloaded, Unavailable
from ledger.explain.sentences import counted
from ledger.service import Ledger
from projections.models.views import NotBuilt, NotYetVisible, Views

To = Annotated[
    Path | None, typer.Option("--to", metavar="FILE", help="The accounts: a text file with one id on each line.")
]
Label = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="The accounts with this label. Can be repeated: an account must have all."),
]
Amount = Annotated[int, typer.Option(help="The credits that each account gets.")]
Job = Annotated[str, typer.Option(metavar="NAME", help="The job's name. Each account gets the grant of a job once.")]
Kind = Annotated[Literal["permanent", "subscription"], typer.Option(help="The kind of the credits.")]
ExpiresAt = Annotated[
    str | None, typer.Option(metavar="TIME", help="For subscription credits, such as 2027-01-31T12:00:00Z.")
]
Source = Annotated[
    Literal["promotion", "adjustment", "topup", "subscription"], typer.Option(help="The source of the grants.")
]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="What account holders read in their history.")]
IncludeNew = Annotated[
    bool, typer.Option("--include-new", help="Grant also to accounts that got the labels after the job began.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say who would get the grant, and record nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Grant without asking first.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class _Run(NamedTuple):
    """What the options ask for."""

    job: GrantJob
    in_file: Sequence[str] | None
    include_new: bool
    dry_run: bool
    yes: bool


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `grant` to the command line."""

    @app.command("grant")
    def grant(
        *,
        amount: Amount,
        job: Job,
        to: To = None,
        label: Label = None,
        kind: Kind = "permanent",
        expires_at: ExpiresAt = None,
        source: Source = "promotion",
        description: Description = None,
        include_new: IncludeNew = False,
        dry_run: DryRun = False,
        yes: Yes = False,
        json: Json = False,
    ) -> None:
        """Grant credits to many accounts. It can be stopped at any moment and run again: nobody gets them twice."""
        settings = load_settings()
        with reported(_FAILURES):
            if (to is None) == (not label):
                raise OptionProblem("give either --to FILE or --label NAME=VALUE")
            fields = {"amount": amount, "kind": kind, "expires_at": expires_at, "source": source}
            labels = _labels(label) if label else None
            run = _Run(
                grant_job(job, {**fields, "description": description}, labels),
                None if to is None else in_file(to),
                include_new,
                dry_run,
                yes,
            )
            report = _carried_out(run, settings)
        typer.echo(orjson.dumps(report.as_json()).decode() if json else report.as_text())
        raise typer.Exit(report.status)


_AGAIN = "run the same command again to continue: nobody gets the grant twice"
_FAILURES: Failures = {
    OptionProblem: Failure(WRONG_OPTION),
    ListProblem: Failure(),
    OtherTerms: Failure(),
    NotYetVisible: Failure(line=lambda error: f"{error}: start the service, which moves them, and run this again"),
    NotBuilt: Failure(line=lambda _: "the balances are not built: start the service, which builds them"),
    Overloaded: Failure(line=lambda _: f"too many commands are waiting; {_AGAIN}"),
    Unavailable: Failure(line=lambda _: f"the database cannot be reached; {_AGAIN}"),
    KeyboardInterrupt: interrupted(_AGAIN),
}


def _labels(pairs: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name in labels:
            raise OptionProblem(f"--label: {pair!r} must be NAME=VALUE, and each name comes once")
        labels[name] = value
    return labels


def _carried_out(run: _Run, settings: Settings) -> Report:
    began = monotonic()
    with database(settings) as conninfo:
        accounts, tally = asyncio.run(_run(run, settings, conninfo))
    return Report(run.job.name, tally, accounts, monotonic() - began, run.dry_run)


async def _run(run: _Run, settings: Settings, conninfo: str) -> tuple[int, Any]:
    defaults = Defaults(settings.signup_credits, timedelta(days=settings.subscription_days))
    ledger, views = Ledger(conninfo, cached_accounts=settings.cached_accounts), Views(conninfo)
    async with ledger.running(), views.running():
        granting = GrantRun(ledger, views, run.job, defaults)
        accounts = await granting.accounts(run.in_file, include_new=run.include_new)
        if not accounts:
            raise ListProblem(f"{_nobody(run)}; nothing is granted, and the job is not begun")
        if not run.dry_run:
            if not run.yes:
                _ask(run.job, len(accounts))
            accounts = await granting.begin(accounts, include_new=run.include_new)
        with showing_progress() as progress:
            tally = await (granting.rehearse if run.dry_run else granting.send)(accounts, progress)
    return len(accounts), tally


def _nobody(run: _Run) -> str:
    """Why there is no account; most likely a label is misspelt."""
    if run.in_file is not None:
        return "the file names no account"
    wanted = ", ".join(f"{name}={value}" for name, value in (run.job.labels or {}).items())
    return f"no account that is not closed has the labels {wanted}"


def _ask(job: GrantJob, accounts: int) -> None:
    what = f"{counted(job.body.amount, f'{job.body.kind} credit')} to each of {counted(accounts, 'account')}"
    typer.confirm(f"Job {job.name!r} grants {what}. Continue?", abort=True, err=True)
