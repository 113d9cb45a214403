"""`credit-ledger verify`: the options, what is judged, and how it is told. It changes nothing."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import orjson
import psycopg
import typer

from api.cli.progress import showing_progress
from api.runtime.database import as_it_is
from api.runtime.embedded_server import EmbeddedPostgresError
from api.runtime.settings import Settings, WrongSetting
from audit.verify.offline import verify_path
from audit.verify.online import verify_account, verify_ledger
from audit.verify.report import UNCHECKED, CannotVerify, Report
from ledger.progress import Progress
from ledger.proof.notes import BadNote, VerifyingKey

PathToJudge = Annotated[
    Path | None,
    typer.Argument(
        metavar="[PATH]",
        help="An exported bundle, a log in JSON Lines, or a statement; without it the ledger of the settings.",
        show_default=False,
    ),
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key", metavar="KEY", help="A verifying key that you trust, or a file that begins with one. Can be repeated."
    ),
]
Checkpoints = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Judge by these checkpoints, such as a copy of your own.", show_default=False),
]
Account = Annotated[str | None, typer.Option(metavar="ID", help="One account of the ledger alone.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@dataclass(frozen=True, slots=True)
class _Wanted:
    path: Path | None
    account: str | None
    checkpoints: Path | None
    keys: Sequence[VerifyingKey]


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Give the command line its `verify`."""

    @app.command("verify")
    def verify(
        path: PathToJudge = None,
        *,
        key: Keys = None,
        checkpoints: Checkpoints = None,
        account: Account = None,
        json: Json = False,
    ) -> None:
        """Prove that nothing was changed, removed or added. Status 0: it holds, 1: it does not, 3: not checked."""
        if path is not None and account is not None:
            raise typer.BadParameter("a statement is of one account; this is for the ledger", param_hint="--account")
        wanted = _Wanted(path, account, checkpoints, [_key(text) for text in key or []])
        try:
            with showing_progress() as progress:
                report = _verified(wanted, progress, load_settings)
        except (CannotVerify, WrongSetting, EmbeddedPostgresError) as problem:
            _fail(str(problem), UNCHECKED)
        except psycopg.OperationalError as error:
            _fail(f"the database cannot be reached: {str(error).strip()}", UNCHECKED)
        except psycopg.errors.InsufficientPrivilege as error:
            _fail(f"the database does not let us read: {str(error).strip()}", UNCHECKED)
        except OSError as error:
            _fail(f"it cannot be read: {error}", UNCHECKED)
        except KeyboardInterrupt:
            _fail("interrupted", 130)
        typer.echo(orjson.dumps(report.as_json()).decode() if json else report.as_text())
        raise typer.Exit(report.status)


def _verified(wanted: _Wanted, progress: Progress, load_settings: Callable[[], Settings]) -> Report:
    if wanted.path is not None:
        return verify_path(wanted.path, wanted.checkpoints, wanted.keys, progress)
    settings = load_settings()
    folders = wanted.checkpoints or settings.checkpoints
    with as_it_is(settings) as conninfo:
        if wanted.account is not None:
            return asyncio.run(verify_account(conninfo, folders, wanted.keys, wanted.account))
        return asyncio.run(verify_ledger(conninfo, folders, wanted.keys, progress))


def _key(text: str) -> VerifyingKey:
    """A key as it is, or the first one in a file."""
    try:
        return VerifyingKey.parse(_spelled(text))
    except BadNote as problem:
        try:
            return VerifyingKey.parse(_spelled(Path(text).read_text()))
        except (OSError, UnicodeDecodeError, BadNote):
            raise typer.BadParameter(f"{problem}; and it is no file with one", param_hint="--key") from None


def _spelled(text: str) -> str:
    """The key in what `checkpoints key` prints, which says behind each what it is for."""
    return next(iter(text.split()), "")


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(f"credit-ledger: {message}", err=True)
    raise typer.Exit(status)
