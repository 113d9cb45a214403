"""`credit-ledger checkpoints`: lists and signs checkpoints, shows and rotates keys, abandons checkpoints."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer

from api.cli.errors import FAILED, NOT_DONE, Failure, Failures, reported
from api.runtime.checkpoints import checkpoint_keys
from api.runtime.database import database
from api.runtime.settings import Settings
from ledger.explain.sentences import counted
from ledger.proof.checkpointer import PATIENCE, Checkpointer
from ledger.proof.evidence import CheckpointMismatch, check, largest_matching_size, open_checkpoint_file, reliable_tree
from ledger.proof.files import FolderBusy
from ledger.proof.notes import BadNote
from ledger.proof.notices import LONGEST_REASON, Rotation
from ledger.proof.signing_key import CheckpointKeys, KeyMissing
from ledger.proof.tree import HoleInLog, Tree
from ledger.store import EventLog

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Beyond = Annotated[
    int, typer.Option(min=0, metavar="N", help="The size of the newest checkpoint that the ledger keeps.")
]
Reason = Annotated[str, typer.Option(help="What was restored, and who decided it. The signed notice has this text.")]
Lost = Annotated[bool, typer.Option("--old-key-lost", help="The old key is lost. Tell auditors the new one.")]

Answer = tuple[str, dict[str, Any]]
"""The answer as a text for people, and as JSON for programs."""


class Refused(Exception):
    """The command must not do what it was asked to do. The message says why."""


FAILURES: Failures = {
    **dict.fromkeys((CheckpointMismatch, HoleInLog, BadNote, KeyMissing, Refused), Failure(FAILED)),
    FolderBusy: Failure(NOT_DONE, lambda busy: f"{busy}; try again"),
    OSError: Failure(NOT_DONE, lambda error: f"the checkpoints cannot be read or written: {error}"),
}


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `checkpoints` to the command line."""
    group = typer.Typer(help="Signed checkpoints: list, sign, key, rotate-key, abandon.", no_args_is_help=True)
    app.add_typer(group, name="checkpoints")

    def run(work: Work, *, json: bool) -> None:
        with reported(FAILURES, otherwise=NOT_DONE):
            settings = load_settings()
            with database(settings) as conninfo:
                text, answer = asyncio.run(_run(settings, conninfo, work))
        typer.echo(orjson.dumps(answer).decode() if json else text)

    @group.command("list")
    def list_(*, json: Json = False) -> None:
        """Show the checkpoints, the newest last."""
        run(_list, json=json)

    @group.command("sign")
    def sign(*, json: Json = False) -> None:
        """Sign a checkpoint of the log as it is now."""
        run(_sign, json=json)

    @group.command("key")
    def key(*, json: Json = False) -> None:
        """Show the verifying keys. An auditor needs the first; the last is in use."""
        run(_show_keys, json=json)

    @group.command("rotate-key")
    def rotate_key(*, old_key_lost: Lost = False, json: Json = False) -> None:
        """Sign with a new key from now on, and destroy the old one."""
        run(_replace_lost_key if old_key_lost else _rotate_key, json=json)

    @group.command("forsake", hidden=True)  # the earlier name of `abandon`
    @group.command("abandon")
    def abandon(beyond: Beyond, reason: Reason, *, json: Json = False) -> None:
        """Abandon the checkpoints that the log does not match, after an older backup was restored on purpose."""
        if not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
            raise typer.BadParameter(f"one line of 1 to {LONGEST_REASON} characters", param_hint="--reason")
        run(lambda ledger: _abandon(ledger, beyond, reason.strip()), json=json)


class OpenLedger:
    """A ledger's log with its checkpoints and keys."""

    def __init__(self, log: EventLog, keys: CheckpointKeys) -> None:
        self.log = log
        self.keys = keys

    @asynccontextmanager
    async def tree(self) -> AsyncIterator[Tree]:
        """The tree of the log. It is made from the events alone if the kept subtrees are not those of this log."""
        async with self.log.connection() as connection:
            yield await reliable_tree(Tree(connection), Tree(connection, kept=False))


Work = Callable[[OpenLedger], Coroutine[Any, Any, Answer]]


async def _run(settings: Settings, conninfo: str, work: Work) -> Answer:
    log = EventLog(conninfo, readers=1)
    await log.open()
    try:
        async with log.connection() as connection:
            keys = await checkpoint_keys(connection, settings)
        return await work(OpenLedger(log, keys))
    finally:
        await log.close()


async def _list(ledger: OpenLedger) -> Answer:
    found = [(filed.size, filed.at, str(filed.path)) for filed in ledger.keys.folder.all()]
    text = "\n".join(f"{size:>15,}  {at:%Y-%m-%d %H:%M:%S}  {path}" for size, at, path in found)
    answer = {"checkpoints": [{"size": size, "signed_at": at, "file": path} for size, at, path in found]}
    return text or f"there are no checkpoints in {ledger.keys.folder.path}", answer


async def _sign(ledger: OpenLedger) -> Answer:
    newest = await Checkpointer(ledger.log, ledger.keys, lambda: True, seconds=0, events=1).sign()
    if newest is None:
        return "there are no events yet: nothing to sign", {"size": 0, "file": None}
    return f"signed: {newest.size:,} events, {newest.path}", {"size": newest.size, "file": str(newest.path)}


async def _show_keys(ledger: OpenLedger) -> Answer:
    with ledger.keys.folder.locked(PATIENCE):
        ledger.keys.signing_key()
        trusted = ledger.keys.trusted()
    lines = [f"{each.key.text}  checkpoints of {_sizes(each.first, each.last)}" for each in trusted]
    answer = [{"key": each.key.text, "first_size": each.first, "last_size": each.last} for each in trusted]
    return "\n".join(lines), {"keys": answer}


async def _rotate_key(ledger: OpenLedger) -> Answer:
    with ledger.keys.folder.locked(PATIENCE):
        newest = ledger.keys.folder.newest()
        if newest is not None:  # the new key signs this checkpoint too
            async with ledger.tree() as tree:
                await check(tree, open_checkpoint_file(newest, ledger.keys.trusted()), await tree.end())
        return _new_key(ledger.keys.rotate(datetime.now(UTC)))


async def _replace_lost_key(ledger: OpenLedger) -> Answer:
    with ledger.keys.folder.locked(PATIENCE):
        if ledger.keys.missing() is not None:
            return _begun(ledger.keys.begin().verifying_key.text)
        newest = ledger.keys.folder.newest()
        if newest is not None:  # the log need not match it: after a restore it may have to be abandoned
            open_checkpoint_file(newest, ledger.keys.trusted())
        return _new_key(ledger.keys.replace(datetime.now(UTC)))


def _begun(key: str) -> Answer:
    text = f"the earlier checkpoints and keys are given up; from now on, this key signs:\n{key}\nTell every auditor."
    return text, {"notice": None, "size": 0, "old": None, "new": key}


def _new_key(rotation: Rotation) -> Answer:
    old, new = rotation.old.text, rotation.new.text
    text = f"from checkpoints of {_sizes(rotation.size, None)} on, this key signs:\n{new}"
    if rotation.old_lost:
        text += "\nNo other key has signed it: tell every auditor."
    return text, {"notice": rotation.number, "size": rotation.size, "old": old, "new": new}


async def _abandon(ledger: OpenLedger, beyond: int, reason: str) -> Answer:
    keys, folder = ledger.keys, ledger.keys.folder
    with folder.locked(PATIENCE):
        async with ledger.tree() as tree:
            matching = await largest_matching_size(tree, folder, keys.trusted(), await tree.end())
        abandoned = [filed for filed in folder.all() if filed.size > matching]
        if not abandoned:
            raise Refused(f"the log matches all its checkpoints, up to {matching:,} events: there is none to abandon")
        if beyond != matching:
            raise Refused(f"the newest matching checkpoint has {matching:,} events: use --beyond {matching}")
        notice, place = keys.abandon(abandoned, beyond, reason, datetime.now(UTC))
    text = f"abandoned: {counted(len(abandoned), 'checkpoint')} beyond {counted(beyond, 'event')}; moved to {place}"
    answer = {"notice": notice.number, "beyond": beyond, "forsaken": len(abandoned), "folder": str(place)}
    return text, answer


def _sizes(first: int, last: int | None) -> str:
    return f"{first:,} events and more" if last is None else f"{first:,} to {last:,} events"
