"""Verifies a ledger in its database: every event, in order, against the checkpoints of its folder; and what is kept.

It reads the log page by page, up to its end at the start, and holds no transaction open meanwhile: the log only grows,
and a long snapshot would keep VACUUM from removing old rows of the projections.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from audit.verify.expected import NOTHING, Expected
from audit.verify.folders import folder_in
from audit.verify.report import NO_CHECKPOINT, CannotVerify, Report
from audit.verify.snapshots import check_snapshots, check_snapshots_of
from audit.verify.text_keys import TextKeys
from ledger.explain.sentences import counted
from ledger.postgres.bodies import LOG, differences, read_bodies_async, read_migrated
from ledger.postgres.components import Components
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


@dataclass(frozen=True, slots=True)
class Trusting:
    """What the reader trusts, and expects of the ledger."""

    folders: Path
    """The folder of the checkpoints of ledgers."""
    keys: Sequence[VerifyingKey] = ()
    """Empty for the keys of the installation."""
    expected: Expected = NOTHING
    components: Components = LOG
    """Those whose functions, triggers and rules are compared with their migrations."""


async def verify_ledger(conninfo: str, trusting: Trusting, progress: Progress) -> Report:
    """Verify all events. Raises CannotVerify, OSError and psycopg.Error."""
    async with _reading(conninfo) as connection:
        report = Report("the ledger", "given" if trusting.keys else "installation")
        try:
            found = _read_checkpoints(trusting, await ledger_id(connection), report)
            await _walk(connection, found.checkpoints, progress, report)
            await _check_bodies(connection, trusting.components)
            await _check_keys(connection, report)
            await check_snapshots(connection)
            trusting.expected.check(report)
        except Breach as breach:
            report.breach = breach
    return report


async def verify_account(conninfo: str, trusting: Trusting, account_id: str) -> Report:
    """Verify the chain of one account and that the newest checkpoint covers it. Raises as `verify_ledger` does."""
    async with _reading(conninfo) as connection:
        report = Report(f"account {account_id}", "given" if trusting.keys else "installation")
        try:
            found = _read_checkpoints(trusting, await ledger_id(connection), report)
            await _follow_account(connection, account_id, found.checkpoints, report)
            await check_snapshots_of(connection, [account_id])
            trusting.expected.check(report)
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


def _read_checkpoints(trusting: Trusting, ledger: str, report: Report) -> TrustedCheckpoints:
    """The trusted checkpoints of a ledger. Raises CannotVerify when there is no key."""
    folder, origin = folder_in(trusting.folders, ledger), origin_of(ledger)
    trusted = trusting.keys or own_keys(folder)
    if not trusted:
        raise CannotVerify(f"{folder.path} has no key and no checkpoint for the log")
    found = trusting.expected.with_kept(read_trusted_checkpoints(folder, trusted))
    report.add_checkpoints(found)
    for checkpoint in found.checkpoints:
        if checkpoint.origin != origin:
            place = Place(file=f"the checkpoint of {checkpoint.size} events")
            raise Breach("checkpoint", place, "it is of another ledger", origin, checkpoint.origin)
    return found


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
    report.unchecked = None if walk.signed else NO_CHECKPOINT


async def _check_bodies(connection: Connection, components: Components) -> None:
    """Raise Breach when a function, trigger or rule is not as the migrations of this database made it."""
    bodies, migrated = await read_bodies_async(connection, components), await read_migrated(connection)
    wrong = differences(bodies, components, migrated)
    if wrong:
        raise Breach("function", Place(), "; ".join(wrong))


async def _check_keys(connection: Connection, report: Report) -> None:
    """Add the log of API keys to the report. Raises Breach when it is not whole, or the keys differ from it."""
    log = await read_key_log(connection)
    if log is None:
        return
    report.facts["key_log"] = {"entries": log.entries, "redacted": log.redacted, "hash": log.hash.hex()}
    entries = counted(log.entries, "entry", "entries")
    without = f", {log.redacted} without an erased name" if log.redacted else ""
    report.lines.append(f"log of API keys: {entries} verified{without}, the last hash is {log.hash.hex()}")
    if log.faults:
        raise Breach("key", Place(), "; ".join(log.faults))


async def _take(connection: Connection, walk: Walk, records: Sequence[Record], agreed: int) -> int:
    """Verify the next records, and the stored subtrees that they complete. Returns up to where these cover the log.

    The range in which the log differs from a checkpoint begins after the stored subtrees that match its events.
    """
    try:
        walk.take(records)
    except Breach as breach:
        raise await _narrowed(connection, breach, walk, agreed) if breach.what == "root" else breach from None
    agreed = await check_kept(connection, walk.completed, agreed) if walk.completed else agreed
    walk.completed = {}
    return agreed


async def _narrowed(connection: Connection, breach: Breach, walk: Walk, agreed: int) -> Breach:
    """A breach over a range of positions, without those that stored subtrees rule out, which nobody signs."""
    try:
        agreed, end = await check_kept(connection, walk.completed, agreed), None
    except Breach as differing:
        agreed, end = max(agreed, (differing.place.position or 1) - 1), differing.place.upto
    return narrowed(breach, agreed, end)


def narrowed(breach: Breach, agreed: int, end: int | None = None) -> Breach:
    """A breach over a range of positions, without those up to `agreed` and those after `end`."""
    first, last = breach.place.position or 1, breach.place.upto or 0
    within = max(first, agreed + 1), min(last, end or last)
    place = breach.place._replace(position=within[0], upto=within[1]) if within[0] <= within[1] else breach.place
    return Breach(breach.what, place, breach.problem, breach.expected, breach.found)


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
        raise CannotVerify(f"there is no account {account_id!r}")
    report.accounts = 1
    if newest is None:
        report.unchecked = NO_CHECKPOINT
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
