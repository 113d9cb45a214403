"""Verifies a ledger in its database: every event, in order, against the checkpoints of its folder; and what is kept.

It reads the log page by page, up to its end at the start, and holds no transaction open meanwhile: the log only grows,
and a long snapshot would keep VACUUM from removing old rows of the projections.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from audit.verify.folders import folder_in
from audit.verify.report import CannotVerify, Report
from audit.verify.snapshots import check_snapshots, check_snapshots_of
from ledger.postgres.bodies import BODIES, MIGRATED, differences
from ledger.postgres.connecting import connect_async
from ledger.progress import Progress
from ledger.proof.checkpoint import Checkpoint, origin_of
from ledger.proof.kept_subtrees import check_kept, check_no_strays
from ledger.proof.merkle import leaf, verify_inclusion
from ledger.proof.notes import VerifyingKey
from ledger.proof.tree import STEP, HoleInLog, Tree
from ledger.proof.trusted_checkpoints import TrustedCheckpoints, own_keys, read_trusted_checkpoints
from ledger.proof.walk import START, Breach, Place, Walk, check_receipts, follow
from ledger.store import Connection, Reader, Record, ledger_id

PAGE = 2_000
_BEFORE_ALL = -(2**63)
"""A position before the first one, so that an event at a wrong position is found too."""
_UNSIGNED = "there is no checkpoint for the log: its events are chained and not signed"


async def verify_ledger(conninfo: str, folders: Path, keys: Sequence[VerifyingKey], progress: Progress) -> Report:
    """Verify all events. `folders` has the checkpoints of ledgers. Raises CannotVerify, OSError and psycopg.Error."""
    async with _reading(conninfo) as connection:
        report = Report("the ledger", "given" if keys else "installation")
        try:
            trusted_checkpoints = _read_checkpoints(folders, await ledger_id(connection), keys, report)
            await _walk(connection, trusted_checkpoints.checkpoints, progress, report)
            await _check_bodies(connection)
            await check_snapshots(connection)
        except Breach as breach:
            report.breach = breach
    return report


async def verify_account(conninfo: str, folders: Path, keys: Sequence[VerifyingKey], account_id: str) -> Report:
    """Verify the chain of one account and that the newest checkpoint covers it. Raises as `verify_ledger` does."""
    async with _reading(conninfo) as connection:
        report = Report(f"account {account_id}", "given" if keys else "installation")
        try:
            trusted_checkpoints = _read_checkpoints(folders, await ledger_id(connection), keys, report)
            await _follow_account(connection, account_id, trusted_checkpoints.checkpoints, report)
            await check_snapshots_of(connection, [account_id])
        except Breach as breach:
            report.breach = breach
    return report


@asynccontextmanager
async def _reading(conninfo: str) -> AsyncIterator[Connection]:
    connection = await connect_async(conninfo)
    try:
        await connection.set_read_only(True)
        yield connection
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName) as error:
        raise CannotVerify("the database is of an older version; run `credit-ledger migrate`") from error
    finally:
        await connection.close()


def _read_checkpoints(folders: Path, ledger: str, keys: Sequence[VerifyingKey], report: Report) -> TrustedCheckpoints:
    """The trusted checkpoints of a ledger. Raises CannotVerify when there is no key."""
    folder, origin = folder_in(folders, ledger), origin_of(ledger)
    trusted = keys or own_keys(folder)
    if not trusted:
        raise CannotVerify(f"{folder.path} has no key and no checkpoint for the log")
    trusted_checkpoints = read_trusted_checkpoints(folder, trusted)
    report.add_checkpoints(trusted_checkpoints)
    for checkpoint in trusted_checkpoints.checkpoints:
        if checkpoint.origin != origin:
            place = Place(file=f"the checkpoint of {checkpoint.size} events")
            raise Breach("checkpoint", place, "it is of another ledger", origin, checkpoint.origin)
    return trusted_checkpoints


async def _walk(connection: Connection, checkpoints: Sequence[Checkpoint], progress: Progress, report: Report) -> None:
    reader = Reader(connection)
    end = await reader.last_position()
    progress.begin("verifying", end, "events")
    walk = Walk(checkpoints, every=STEP)
    after = _BEFORE_ALL
    try:
        while records := await reader.records(after, end, PAGE):
            walk.take(records)
            await _check_kept(connection, walk)
            after = records[-1].position
            progress.reach(walk.position)
        walk.finish()
        await check_no_strays(connection)
    finally:
        report.add_walk(walk)
    for first, second in walk.repeated():
        check_receipts(*[(await reader.records(at - 1, at, 1))[0] for at in (first, second)])
    if not checkpoints and end:
        report.unchecked = _UNSIGNED


async def _check_bodies(connection: Connection) -> None:
    """Raise Breach when a function, trigger or rule of the log is not as the migrations of this database made it."""
    migrated = frozenset(name for (name,) in await (await connection.execute(MIGRATED)).fetchall())
    wrong = differences(await (await connection.execute(BODIES)).fetchall(), migrated)
    if wrong:
        raise Breach("function", Place(), "; ".join(wrong))


async def _check_kept(connection: Connection, walk: Walk) -> None:
    if walk.completed:
        await check_kept(connection, walk.completed)
        walk.completed = {}


async def _follow_account(
    connection: Connection, account_id: str, checkpoints: Sequence[Checkpoint], report: Report
) -> None:
    reader = Reader(connection)
    newest = checkpoints[-1] if checkpoints else None
    head, after, position = START, _BEFORE_ALL, 0
    while records := await reader.records_of(account_id, after, PAGE):
        for record in records:
            if record.position <= position:
                raise Breach("position", _place(record), "its position is not after that of the event before it")
            head, position = follow(record, head), record.position
        under = [record for record in records if newest is not None and record.position <= newest.size]
        if newest is not None:
            await _check_inclusion(connection, under, newest)
        report.events = head.version
        report.unsigned += len(records) - len(under)
        after = records[-1].version
    if not report.events:
        raise CannotVerify("the ledger has no such account")
    report.accounts = 1
    if newest is None:
        report.unchecked = _UNSIGNED
    else:
        report.signed, report.checkpoints = newest.size, 1


async def _check_inclusion(connection: Connection, records: Sequence[Record], checkpoint: Checkpoint) -> None:
    """Check that the signed tree has some events. The kept subtrees make that quick, and may be wrong."""
    wanted = [record.position - 1 for record in records]
    try:
        missing = _outside(records, await Tree(connection).inclusion_proofs(wanted, checkpoint.size), checkpoint)
        if missing is not None:
            plain = Tree(connection, kept=False)
            missing = _outside(records, await plain.inclusion_proofs(wanted, checkpoint.size), checkpoint)
            if missing is None:
                raise Breach("tree", Place(), "the kept subtrees do not match their events")
            raise Breach("root", _place(missing), f"the checkpoint of {checkpoint.size} events does not cover it")
    except HoleInLog as hole:
        raise Breach("position", Place(), str(hole)) from hole


def _outside(records: Sequence[Record], proofs: Sequence[Sequence[bytes]], checkpoint: Checkpoint) -> Record | None:
    """The first of some events that its proof does not connect with a checkpoint; None if there is none."""
    for record, proof in zip(records, proofs, strict=True):
        if not verify_inclusion(leaf(record.hash), record.position - 1, checkpoint.size, proof, checkpoint.root):
            return record
    return None


def _place(record: Record) -> Place:
    return Place(record.position, record.account_id, record.version)
