"""The log beside its signed checkpoints, as the service looks at it: before it serves, and whenever it is asked."""

import asyncio
import logging

from psycopg import AsyncConnection

from api.runtime.operator_error import OperatorError
from api.runtime.settings import Settings
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
    """The log is not the one of which checkpoints were signed; the message says what was found and what to do."""


async def checkpoint_keys(connection: Connection, settings: Settings) -> CheckpointKeys:
    """The checkpoints and keys of the ledger in a database."""
    return await checkpoint_keys_in(connection, settings.signing, settings.checkpoints)


def hold_against_checkpoints(settings: Settings, conninfo: str) -> None:
    """Raise CannotServe unless the log begins with what its newest checkpoint says; without any, nothing is said."""
    asyncio.run(_hold(settings, conninfo))


async def _hold(settings: Settings, conninfo: str) -> None:
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        keys = await checkpoint_keys(connection, settings)
        try:
            trusted = keys.trusted()
            if keys.folder.newest() is None:
                return
            plain = Tree(connection, kept=False)
            tree = await reliable_tree(Tree(connection), plain)
            compared = await compare(tree, keys.folder, trusted)
            if isinstance(compared.problem, LogChanged) and tree is not plain:
                _log.warning("the log does not have the root that was signed: all of its events are read once more")
                tree = plain
                compared = await compare(tree, keys.folder, trusted)
            if compared.problem is not None:
                assert compared.newest is not None, "only a checkpoint can be contradicted"
                beyond = await largest_matching_size(tree, keys.folder, trusted, compared.end)
                raise CannotServe(_what_to_do(compared.newest, compared.problem, beyond))
        except BadNote as problem:
            raise CannotServe(f"what is in {keys.folder.path} cannot be relied on: {problem}") from problem
        except OSError as error:
            _log.error("the checkpoints cannot be read: %s", error)  # expected, and said again by whoever signs


def _what_to_do(newest: CheckpointFile, problem: CheckpointMismatch | BadNote, beyond: int) -> str:
    """What was found, what it means, and what to do, in one line."""
    if isinstance(problem, BadNote):
        return (
            f"the newest checkpoint of this ledger cannot be relied on: {problem} (in {newest.path.parent}). "
            "Somebody changed the file, or it is damaged: put back a copy of it, or move it away if you know why."
        )
    found = f"{problem} in {newest.path}, signed at {newest.at:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(problem, LogBehind):
        means = "An older backup was restored, or the end of the log was cut off: events that were recorded are gone"
    else:
        means = (
            "Events were changed behind the ledger's back, or a backup was restored and another history written: "
            f"the log still begins with the checkpoint of {beyond:,} events"
        )
    return (
        f"{found}. {means}. Restore a newer backup; or, if this log shall count from now on, say so with "
        f"`credit-ledger checkpoints abandon --beyond {beyond} --reason TEXT` and start again."
    )
