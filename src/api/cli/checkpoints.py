"""`credit-ledger checkpoints`: what there is, the keys, and what an operator decides about either."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import orjson
import psycopg
import typer
from psycopg_pool import PoolTimeout

from api.runtime.checkpoints import custody
from api.runtime.database import database
from api.runtime.settings import Settings
from ledger.explain.sentences import counted
from ledger.proof.checkpointer import PATIENCE, Checkpointer
from ledger.proof.evidence import CheckpointMismatch, check, largest_matching_size, open_checkpoint_file, reliable_tree
from ledger.proof.files import FolderBusy
from ledger.proof.notes import BadNote
from ledger.proof.notices import LONGEST_REASON, Rotation
from ledger.proof.signing_key import Custody, KeyMissing
from ledger.proof.tree import HoleInLog, Tree
from ledger.store import EventLog

REFUSED, NOT_DONE = 1, 3
"""Exit statuses; 2 is that of wrong options."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Beyond = Annotated[int, typer.Option(min=0, metavar="N", help="The size of the newest checkpoint that still counts.")]
Reason = Annotated[str, typer.Option(help="Why: what was restored, and who decided it. Everybody may read it.")]
Lost = Annotated[
    bool, typer.Option("--old-key-lost", help="The old key cannot sign: auditors must be told the new one.")
]

Answer = tuple[str, dict[str, Any]]
"""For people, and for programs."""


class Refused(Exception):
    """What was asked must not be done; the message says why."""


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Give the command line its `checkpoints`."""
    group = typer.Typer(help="Signed checkpoints: list, sign, keys, forsake.", no_args_is_help=True)
    app.add_typer(group, name="checkpoints")

    def run(work: Callable[["Ground"], Coroutine[Any, Any, Answer]], *, json: bool) -> None:
        text, answer = _run(load_settings(), work)
        typer.echo(orjson.dumps(answer).decode() if json else text)

    @group.command("list")
    def list_(*, json: Json = False) -> None:
        """Show the checkpoints, the newest last."""
        run(_listed, json=json)

    @group.command("sign")
    def sign(*, json: Json = False) -> None:
        """Sign the log as it is now."""
        run(_signed, json=json)

    @group.command("key")
    def key(*, json: Json = False) -> None:
        """Show the verifying keys: the first is what an auditor needs, the last is in use."""
        run(_keys, json=json)

    @group.command("rotate-key")
    def rotate_key(*, old_key_lost: Lost = False, json: Json = False) -> None:
        """Hand over to a new key; the old one is destroyed."""
        run(_replaced if old_key_lost else _rotated, json=json)

    @group.command("forsake")
    def forsake(beyond: Beyond, reason: Reason, *, json: Json = False) -> None:
        """Give up checkpoints that the log does not fulfil any more: after an older backup was restored on purpose."""
        if not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
            raise typer.BadParameter(f"one line of 1 to {LONGEST_REASON} characters", param_hint="--reason")
        run(lambda ground: _forsaken(ground, beyond, reason.strip()), json=json)


class Ground:
    """What the commands stand on: a ledger's log, and its checkpoints."""

    def __init__(self, log: EventLog, keys: Custody) -> None:
        self.log = log
        self.keys = keys

    @asynccontextmanager
    async def tree(self) -> AsyncIterator[Tree]:
        """The tree of the log, from the events alone when what is kept is not of this log."""
        async with self.log.connection() as connection:
            yield await reliable_tree(Tree(connection), Tree(connection, kept=False))


def _run(settings: Settings, work: Callable[[Ground], Coroutine[Any, Any, Answer]]) -> Answer:
    """Do something; what stands in the way is said in one line."""
    try:
        with database(settings) as conninfo:
            return asyncio.run(_on_ground(settings, conninfo, work))
    except (psycopg.OperationalError, PoolTimeout) as error:
        _fail(f"the database cannot be reached: {str(error).strip()}", NOT_DONE)
    except (CheckpointMismatch, HoleInLog, BadNote, KeyMissing, Refused) as problem:
        _fail(str(problem), REFUSED)
    except FolderBusy as busy:
        _fail(f"{busy}; try again", NOT_DONE)
    except OSError as error:
        _fail(f"the checkpoints cannot be read or written: {error}", NOT_DONE)


async def _on_ground(
    settings: Settings, conninfo: str, work: Callable[[Ground], Coroutine[Any, Any, Answer]]
) -> Answer:
    log = EventLog(conninfo, readers=1)
    await log.open()
    try:
        async with log.connection() as connection:
            keys = await custody(connection, settings)
        return await work(Ground(log, keys))
    finally:
        await log.close()


async def _listed(ground: Ground) -> Answer:
    found = [(filed.size, filed.at, str(filed.path)) for filed in ground.keys.folder.all()]
    text = "\n".join(f"{size:>15,}  {at:%Y-%m-%d %H:%M:%S}  {path}" for size, at, path in found)
    answer = {"checkpoints": [{"size": size, "signed_at": at, "file": path} for size, at, path in found]}
    return text or f"there are no checkpoints in {ground.keys.folder.path}", answer


async def _signed(ground: Ground) -> Answer:
    newest = await Checkpointer(ground.log, ground.keys, lambda: True, seconds=0, events=1).sign()
    if newest is None:
        return "there are no events yet: nothing to sign", {"size": 0, "file": None}
    return f"signed: {newest.size:,} events, {newest.path}", {"size": newest.size, "file": str(newest.path)}


async def _keys(ground: Ground) -> Answer:
    with ground.keys.folder.locked(PATIENCE):
        ground.keys.signing_key()
        trusted = ground.keys.trusted()
    lines = [f"{each.key.text}  checkpoints of {_sizes(each.first, each.last)}" for each in trusted]
    answer = [{"key": each.key.text, "first_size": each.first, "last_size": each.last} for each in trusted]
    return "\n".join(lines), {"keys": answer}


async def _rotated(ground: Ground) -> Answer:
    with ground.keys.folder.locked(PATIENCE):
        newest = ground.keys.folder.newest()
        if newest is not None:  # the new key vouches for it
            async with ground.tree() as tree:
                await check(tree, open_checkpoint_file(newest, ground.keys.trusted()), await tree.end())
        return _handed_over(ground.keys.rotate(datetime.now(UTC)))


async def _replaced(ground: Ground) -> Answer:
    with ground.keys.folder.locked(PATIENCE):
        newest = ground.keys.folder.newest()
        if newest is not None:  # it need not be what the log is: after a restore it may have to be forsaken
            open_checkpoint_file(newest, ground.keys.trusted())
        return _handed_over(ground.keys.replace(datetime.now(UTC)))


def _handed_over(rotation: Rotation) -> Answer:
    old, new = rotation.old.text, rotation.new.text
    text = f"from checkpoints of {_sizes(rotation.size, None)} on, this key signs:\n{new}"
    if rotation.old_lost:
        text += "\nNo other key vouches for it: tell every auditor."
    return text, {"notice": rotation.number, "size": rotation.size, "old": old, "new": new}


async def _forsaken(ground: Ground, beyond: int, reason: str) -> Answer:
    keys, folder = ground.keys, ground.keys.folder
    with folder.locked(PATIENCE):
        async with ground.tree() as tree:
            holds = await largest_matching_size(tree, folder, keys.trusted(), await tree.end())
        given_up = [filed for filed in folder.all() if filed.size > holds]
        if not given_up:
            raise Refused(f"the log fulfils all its checkpoints, to that of {holds:,} events: there is none to forsake")
        if beyond != holds:
            raise Refused(f"the newest checkpoint that the log fulfils has {holds:,} events: use --beyond {holds}")
        notice, place = keys.abandon(given_up, beyond, reason, datetime.now(UTC))
    text = f"given up: {counted(len(given_up), 'checkpoint')} beyond {counted(beyond, 'event')}; kept in {place}"
    answer = {"notice": notice.number, "beyond": beyond, "forsaken": len(given_up), "folder": str(place)}
    return text, answer


def _sizes(first: int, last: int | None) -> str:
    return f"{first:,} events and more" if last is None else f"{first:,} to {last:,} events"


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(f"credit-ledger: {message}", err=True)
    raise typer.Exit(status)
