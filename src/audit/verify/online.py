"""Verifies a ledger in its database: every event, in order, against the checkpoints of its folder.

It reads the log page by page, up to its end at the start, and holds no transaction open meanwhile: the log only grows,
and a long snapshot would keep VACUUM from removing old rows of the projections.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from audit.verify.folders import folder_in
from audit.verify.report import CannotVerify, Report
from audit.verify.text_keys import TextKeys
from ledger.explain.sentences import counted
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
from people.key_log import read_key_log

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
            await _check_keys(connection, report)
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
    walk, texts = Walk(checkpoints, every=STEP), TextKeys()
    after, agreed = _BEFORE_ALL, 0
    try:
        while records := await reader.records(after, end, PAGE):
            agreed = await _take(connection, walk, records, agreed)
            await texts.take(reader, records)
            after = records[-1].position
            progress.reach(walk.position)
        walk.finish()
        texts.finish()
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


async def _check_keys(connection: Connection, report: Report) -> None:
    """Add the log of API keys to the report. Raises Breach when it is not whole, or the keys differ from it."""
    log = await read_key_log(connection)
    if log is None:
        return
    report.facts["key_log"] = {"entries": log.entries, "hash": log.hash.hex()}
    entries = counted(log.entries, "entry", "entries")
    report.lines.append(f"log of API keys: {entries} verified, the last hash is {log.hash.hex()}")
    if log.faults:
        raise Breach("key", Place(), "; ".join(log.faults))


async def _take(connection: Connection, walk: Walk, records: Sequence[Record], agreed: int) -> int:
    """Verify the next records, and the stored subtrees that they complete. Returns up to where these cover the log.

    The range in which the log differs from a checkpoint begins after the stored subtrees that match its events.
    """
    try:
        walk.take(records)
    except Breach as breach:
        if breach.what == "root":
            breach = narrowed(breach, await check_kept(connection, walk.completed, agreed))
        raise breach from None
    agreed = await check_kept(connection, walk.completed, agreed) if walk.completed else agreed
    walk.completed = {}
    return agreed


def narrowed(breach: Breach, agreed: int) -> Breach:
    """A breach over a range of positions, without those that stored subtrees cover up to `agreed`."""
    first = max(breach.place.position or 0, agreed + 1)
    return Breach(breach.what, breach.place._replace(position=first), breach.problem, breach.expected, breach.found)


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
