"""Logs as tests of checkpoints need them: many events whose hashes are known, and nothing else in them."""

from functools import cache, lru_cache
from pathlib import Path

import psycopg

from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.checkpointer import Checkpointer
from ledger.proof.signing_key import CheckpointKeys
from ledger.store.log import EventLog
from ledger.store.records.chain import GENESIS, link
from tests.postgres import owner, tampering
from tests.proof import naive

_INSERT = """
INSERT INTO ledger.events (originator_id, originator_version, topic, state, notification_id, hash)
SELECT %(account)s || n, 1, 'Nothing', '', n, hash
FROM unnest(%(hashes)s::bytea[]) WITH ORDINALITY AS e (hash, i), LATERAL (SELECT %(before)s + i) AS p (n)
"""


def add_events(conninfo: str, count: int, *, account: str = "a") -> None:
    """Append so many events, each of an account of its own, whose name ends with the position."""
    with psycopg.connect(owner(conninfo)) as connection:
        before = end_of(connection)
        new = hashes(before + count, account=account)[before:]
        connection.execute(_INSERT, {"account": account, "before": before, "hashes": new})


def cut_off(conninfo: str, after: int) -> None:
    """Remove what is beyond a position, as a restored older backup has it."""
    behind_its_back(conninfo, f"DELETE FROM ledger.events WHERE notification_id > {after}")


def behind_its_back(conninfo: str, statement: str) -> None:
    """Do to the log what nobody may, whatever guards it."""
    with tampering(conninfo) as connection:
        connection.execute(statement.encode())


def end_of(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT coalesce(max(notification_id), 0) FROM ledger.events").fetchone()
    assert row is not None
    return int(row[0])


def hashes(count: int, *, account: str = "a") -> list[bytes]:
    """The hashes of the first events of `add_events`, from index 0."""
    return [hash_at(position, account) for position in range(1, count + 1)]


@lru_cache(100_000)
def hash_at(position: int, account: str) -> bytes:
    """The hash of the event of `add_events` at a position."""
    return link(GENESIS, f"{account}{position}", 1, "Nothing", b"", None, None, None, None)


@cache
def root_of(count: int) -> bytes:
    """The root of the first events of `add_events`."""
    return naive.tree_hash(hashes(count))


def folder_of(conninfo: str, where: Path) -> CheckpointFolder:
    """The folder of a database's ledger."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT id::text FROM ledger.identity").fetchone()
    assert row is not None
    return CheckpointFolder(where / "checkpoints", row[0])


def checkpoint_keys_of(conninfo: str, where: Path) -> CheckpointKeys:
    """The checkpoint keys of the ledger in a database."""
    return CheckpointKeys(where / "signing", folder_of(conninfo, where))


def checkpointer(log: EventLog, checkpoint_keys: CheckpointKeys) -> Checkpointer:
    """One that signs whenever it looks."""
    return Checkpointer(log, checkpoint_keys, lambda: True, seconds=0, events=1)
