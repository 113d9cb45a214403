"""`credit-ledger import`: its options, its preview and question, its import and its report."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic

import orjson
import typer

from api.cli.errors import WRONG_OPTION, Failure, Failures, fail, interrupted, reported, warn
from api.cli.progress import showing_progress
from api.cli.usage_import.options import (
    Account,
    Amount,
    Decimal,
    Delimiter,
    Detect,
    DryRun,
    Encoding,
    File,
    From,
    Job,
    Json,
    Key,
    OnShortfall,
    OpenPermanent,
    OpenSignup,
    OpenSubscription,
    Prices,
    SkipBad,
    StopOnRefusal,
    Task,
    Time,
    TimeFormat,
    TimeZone,
    Usage,
    Yes,
    opening_of,
    usage_of,
)
from api.cli.usage_import.preview import confirmed, details, detected, preview_text
from api.contract.operations import Defaults
from api.imports.checking import Checked, check
from api.imports.files.bad_rows import BadRows
from api.imports.files.row import FileProblem
from api.imports.formulas.errors import FormulaError
from api.imports.formulas.price_file import read_prices
from api.imports.importing import Import, OpeningRefused
from api.imports.notes import left_out, warnings
from api.imports.preview import try_rows
from api.imports.rating import OptionProblem, Options
from api.imports.report import Report
from api.imports.row_digests import RowDigests
from api.imports.tally import Tally
from api.imports.wishes import Wishes, dialect_of, options_for, recognise, shortfall_of, zone_of
from api.runtime.database import database
from api.runtime.settings import Settings
from ledger.commit.submission import Overloaded, Unavailable
from ledger.progress import Progress
from ledger.service import Ledger


@dataclass(frozen=True, slots=True)
class _Run:
    """One call of the command."""

    file: Path
    options: Options
    settings: Settings
    dry_run: bool
    stop_on_refusal: bool
    asks: bool
    skip_bad: Path | None

    @property
    def defaults(self) -> Defaults:
        """What the settings say where a body says nothing."""
        return Defaults(
            self.settings.signup_credits,
            timedelta(days=self.settings.subscription_days),
            back_dating=timedelta(days=self.settings.back_dating_days),
        )


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `import` to the command line."""

    @app.command("import")
    def import_(
        file: File,
        *,
        from_: From = None,
        account: Account = None,
        amount: Amount = None,
        key: Key = None,
        time: Time = None,
        time_format: TimeFormat = None,
        time_zone: TimeZone = None,
        task: Task = None,
        usage: Usage = None,
        prices: Prices = None,
        job: Job = None,
        delimiter: Delimiter = None,
        decimal: Decimal = None,
        encoding: Encoding = None,
        open_signup: OpenSignup = None,
        open_subscription: OpenSubscription = None,
        open_permanent: OpenPermanent = None,
        on_shortfall: OnShortfall = "reject",
        detect: Detect = False,
        dry_run: DryRun = False,
        yes: Yes = False,
        skip_bad: SkipBad = None,
        stop_on_refusal: StopOnRefusal = False,
        json: Json = False,
    ) -> None:
        """Deduct the credits of each row of a CSV file of usage. It can be stopped at any moment and run again."""
        settings = load_settings()
        with reported(_failures(file)):
            found = recognise(file, dialect := dialect_of(encoding, delimiter, decimal))
            if detect:
                typer.echo(detected(file.name, found))
                return
            wishes = Wishes(
                file.name if job is None else job,
                from_,
                account,
                amount,
                time,
                task,
                key,
                usage_of(usage or []),
                opening_of(open_signup, open_subscription, open_permanent),
                time_format,
                zone_of(time_zone),
                dialect,
                None if prices is None else read_prices(prices),
                shortfall_of(on_shortfall),
            )
            asks, options = _asks(yes=yes, dry_run=dry_run, json=json), options_for(wishes, found)
            bad = _other_than(file, skip_bad)
            report = _run(_Run(file, options, settings, dry_run, stop_on_refusal, asks, bad))
        typer.echo(orjson.dumps(report.as_json()).decode() if json else report.as_text())
        raise typer.Exit(report.status)


def _failures(file: Path) -> Failures:
    return {
        FileProblem: Failure(line=lambda problem: f"{file}: {problem}"),
        OpeningRefused: Failure(),
        FormulaError: Failure(WRONG_OPTION),
        OptionProblem: Failure(WRONG_OPTION),
        Overloaded: Failure(line=lambda _: "too many commands are waiting; nothing is recorded. Run it again"),
        Unavailable: Failure(line=lambda _: "the database cannot be reached; nothing is recorded. Run it again"),
        KeyboardInterrupt: interrupted("run the same command again to continue"),
    }


def _asks(*, yes: bool, dry_run: bool, json: bool) -> bool:
    """Whether there is a preview with a question. Raises OptionProblem."""
    asks = not yes and not dry_run
    if asks and json:
        raise OptionProblem("--json is for programs, which answer no question: say --yes or --dry-run too")
    return asks


def _other_than(file: Path, skip_bad: Path | None) -> Path | None:
    if skip_bad is not None and skip_bad.exists() and skip_bad.samefile(file):
        raise OptionProblem("--skip-bad: it names the file of the import itself")
    return skip_bad


def _run(run: _Run) -> Report:
    began = monotonic()
    with showing_progress() as progress:
        if run.dry_run:
            bad = None if run.skip_bad is None else BadRows(run.skip_bad)
            checked = asyncio.run(check(run.file, run.options, run.defaults, progress, bad=bad))
            return _report(run, checked, checked.tally, monotonic() - began)
        with database(run.settings) as conninfo:
            ledger = Ledger(conninfo, cached_accounts=run.settings.cached_accounts)
            checked, tally = asyncio.run(_check_and_record(run, ledger, progress))
    return _report(run, checked, tally, monotonic() - began)


def _report(run: _Run, checked: Checked, tally: Tally, seconds: float) -> Report:
    return Report(
        run.options.job,
        tally,
        checked.rows,
        seconds,
        run.dry_run,
        left_out(checked.incidental, checked.tally),
        warnings(checked, run.options),
        details(run.options, checked, None) if run.dry_run else [],
    )


async def _check_and_record(run: _Run, ledger: Ledger, progress: Progress) -> tuple[Checked, Tally]:
    async with ledger.running():
        rows = RowDigests(ledger.log, run.options.job)
        bad = None if run.skip_bad is None else BadRows(run.skip_bad)
        checked = await check(run.file, run.options, run.defaults, progress, known=rows, bad=bad)
        if run.asks:
            trial = await try_rows(ledger, run.options, checked)
            typer.echo(preview_text(run.file.name, run.options, checked, trial), err=True)
            if not confirmed(checked.tally.deducted):
                fail("nothing is recorded")
        else:
            for text in warnings(checked, run.options):
                warn(text)
        work = Import(
            ledger,
            run.options,
            run.defaults,
            stop_on_refusal=run.stop_on_refusal,
            skip_bad=run.skip_bad is not None,
            kept=rows,
        )
        with _stopped_by_signals(work):
            return checked, await work.run(run.file, checked.rows, progress)


@contextmanager
def _stopped_by_signals(running: Import) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM stops an import cleanly. The second has Python's default effect."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        typer.echo("stopping: rows that are sent are finished", err=True)
        running.stop("interrupted")
        restore()

    def restore() -> None:
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        restore()
