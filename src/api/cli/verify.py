"""`credit-ledger verify`: its options, its verification and its report. It changes nothing."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import orjson
import typer

from api.cli.errors import Failure, Failures, reported
from api.cli.progress import showing_progress
from api.components import COMPONENTS
from api.runtime.database import unchanged_database
from api.runtime.settings import Settings
from audit.verify import offline, online
from audit.verify.expected import Expected
from audit.verify.offline import verify_path
from audit.verify.online import verify_account, verify_ledger
from audit.verify.report import UNCHECKED, CannotVerify, Report
from ledger.progress import Progress
from ledger.proof.files import read_word
from ledger.proof.notes import LARGEST_KEY, BadNote, VerifyingKey

PathToVerify = Annotated[
    Path | None,
    typer.Argument(
        metavar="PATH",
        help="An exported bundle, a log in JSON Lines, a statement, or the PDF of a document. Default: the ledger of "
        "the settings.",
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
    typer.Option(
        metavar="FOLDER", help="Verify against these checkpoints, such as a copy of your own.", show_default=False
    ),
]
Account = Annotated[
    str | None, typer.Option(metavar="ID", help="Verify only this account of the ledger.", show_default=False)
]
AtLeast = Annotated[
    int,
    typer.Option(
        metavar="N", min=0, help="A fault unless checkpoints cover at least N events: the size that you know of."
    ),
]
Since = Annotated[
    Path | None,
    typer.Option(
        metavar="CHECKPOINT",
        help="The file of a checkpoint that you kept: a fault unless the log begins with its events.",
        show_default=False,
    ),
]
SignedOnly = Annotated[bool, typer.Option("--signed-only", help="A fault if no checkpoint covers the last events.")]
Fonts = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Fonts for a PDF with names in other scripts, such as those of its ledger.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def _unreadable(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else f"it cannot be read: {error}"


FAILURES: Failures = {
    CannotVerify: Failure(UNCHECKED),
    OSError: Failure(UNCHECKED, _unreadable),
}


@dataclass(frozen=True, slots=True)
class _Wanted:
    path: Path | None
    account: str | None
    checkpoints: Path | None
    keys: Sequence[VerifyingKey]
    expected: Expected
    fonts: Sequence[Path]


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `verify` to the command line."""

    @app.command("verify")
    def verify(
        path: PathToVerify = None,
        *,
        key: Keys = None,
        checkpoints: Checkpoints = None,
        account: Account = None,
        at_least: AtLeast = 0,
        since: Since = None,
        signed_only: SignedOnly = False,
        fonts: Fonts = None,
        json: Json = False,
    ) -> None:
        """Check that nothing was changed, removed or added.

        Exit status 0: no fault, and all is signed; 1: a fault; 3: not verified; 4: no fault, the end is not signed.
        """
        if path is not None and account is not None:
            raise typer.BadParameter("this option is for the ledger, not for a file", param_hint="--account")
        if since is not None and account is not None:
            raise typer.BadParameter("this option is for a whole log, not for an account", param_hint="--since")
        expected = Expected(at_least, since, signed_only)
        folders = (fonts,) if fonts is not None else ()
        wanted = _Wanted(path, account, checkpoints, [_key(text) for text in key or []], expected, folders)
        with reported(FAILURES, otherwise=UNCHECKED), showing_progress() as progress:
            report = _verified(wanted, progress, load_settings)
        typer.echo(orjson.dumps(report.as_json()).decode() if json else report.as_text())
        raise typer.Exit(report.status)


def _verified(wanted: _Wanted, progress: Progress, load_settings: Callable[[], Settings]) -> Report:
    if wanted.path is not None:
        trusted = offline.Trusting(wanted.checkpoints, wanted.keys, wanted.expected, wanted.fonts)
        return verify_path(wanted.path, trusted, progress)
    settings = load_settings()
    trusting = online.Trusting(wanted.checkpoints or settings.checkpoints, wanted.keys, wanted.expected, COMPONENTS)
    with unchanged_database(settings) as conninfo:
        if wanted.account is not None:
            return asyncio.run(verify_account(conninfo, trusting, wanted.account))
        return asyncio.run(verify_ledger(conninfo, trusting, progress))


def _key(text: str) -> VerifyingKey:
    """The key that a text is, or the first key in the file that it names."""
    try:
        return VerifyingKey.parse(_first_word(text))
    except BadNote as problem:
        try:
            return VerifyingKey.parse(_first_word(read_word(Path(text), LARGEST_KEY)))
        except (OSError, BadNote):
            raise typer.BadParameter(
                f"{problem}; and there is no file of that name with a key", param_hint="--key"
            ) from None


def _first_word(text: str) -> str:
    """The key in a line of `checkpoints key`, which has an explanation after the key."""
    return next(iter(text.split()), "")
