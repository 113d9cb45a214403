"""The check of the log against its signed checkpoints, before the service starts to serve."""

import asyncio
import logging

from api.runtime.operator_error import OperatorError
from api.runtime.settings import Settings
from ledger.postgres.connecting import connect_async
from ledger.proof.checkpoint_folder import CheckpointFile
from ledger.proof.evidence import (
    CheckpointMismatch,
    LogBehind,
    LogChanged,
    compare,
    largest_matching_size,
    reliable_tree,
)
from ledger.proof.notes import BadNote
from ledger.proof.signing_key import CheckpointKeys
from ledger.proof.status import checkpoint_keys_in
from ledger.proof.tree import Tree
from ledger.store import Connection

_log = logging.getLogger("credit_ledger.checkpoints")


class CannotServe(OperatorError):
    """The log does not match its signed checkpoints. The message describes the mismatch and what to do."""


async def checkpoint_keys(connection: Connection, settings: Settings) -> CheckpointKeys:
    """The checkpoints and keys of the ledger in a database."""
    return await checkpoint_keys_in(connection, settings.signing, settings.checkpoints)


def check_against_checkpoints(settings: Settings, conninfo: str) -> None:
    """Raise CannotServe unless the log matches its newest checkpoint. Without a checkpoint, nothing is checked."""
    asyncio.run(_check(settings, conninfo))


async def _check(settings: Settings, conninfo: str) -> None:
    async with await connect_async(conninfo) as connection:
        keys = await checkpoint_keys(connection, settings)
        try:
            trusted = keys.trusted()
            if keys.folder.newest() is None:
                if missing := keys.missing():
                    _log.error("nothing will be signed: %s", missing)
                return
            plain = Tree(connection, kept=False)
            tree = await reliable_tree(Tree(connection), plain)
            compared = await compare(tree, keys.folder, trusted)
            if isinstance(compared.problem, LogChanged) and tree is not plain:
                _log.warning("the log does not have the signed root: reading all of its events again")
                tree = plain
                compared = await compare(tree, keys.folder, trusted)
            if compared.problem is not None:
                assert compared.newest is not None, "only a checkpoint can be contradicted"
                beyond = await largest_matching_size(tree, keys.folder, trusted, compared.end)
                raise CannotServe(_explanation(compared.newest, compared.problem, beyond))
        except BadNote as problem:
            raise CannotServe(f"the files in {keys.folder.path} cannot be trusted: {problem}") from problem
        except OSError as error:
            _log.error("the checkpoints cannot be read: %s", error)  # the checkpointer reports this too


def _explanation(newest: CheckpointFile, problem: CheckpointMismatch | BadNote, beyond: int) -> str:
    """One line: the mismatch, what it means, and what to do."""
    if isinstance(problem, BadNote):
        return (
            f"the newest checkpoint of this ledger cannot be trusted: {problem} (in {newest.path.parent}). "
            "The file was changed or is damaged: restore a copy of it, or move it away if you know why."
        )
    found = f"{problem} in {newest.path}, signed at {newest.at:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(problem, LogBehind):
        means = "An older backup was restored, or the end of the log was deleted: recorded events are missing"
    else:
        means = (
            "Events were changed outside of the ledger, or others were recorded after a backup was restored: "
            f"the log still matches the checkpoint of {beyond:,} events"
        )
    return (
        f"{found}. {means}. Restore a newer backup; or, to accept this log as it is, run "
        f"`credit-ledger checkpoints abandon --beyond {beyond} --reason TEXT` and start again."
    )
