"""The checkpointer on a real database and real files: what it signs verifies, and what it must not sign it does not."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from api.runtime.checkpoints import CannotServe, check_against_checkpoints
from api.runtime.settings import load_settings
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.checkpointer import Checkpointer
from ledger.proof.evidence import LogBehind, LogChanged, compare, largest_matching_size, open_checkpoint_file
from ledger.proof.merkle import consistency_proof, leaves, verify_consistency
from ledger.proof.notes import BadNote
from ledger.proof.signing_key import CheckpointKeys
from ledger.proof.tree import Tree
from ledger.store.log import EventLog
from tests.proof.logs import add_events, behind_its_back, checkpoint_keys_of, checkpointer, cut_off, hashes, root_of


@pytest_asyncio.fixture
async def log(database: str) -> AsyncIterator[EventLog]:
    log = EventLog(database, readers=2)
    await log.open()
    yield log
    await log.close()


@pytest.fixture
def checkpoint_keys(database: str, tmp_path: Path) -> CheckpointKeys:
    return checkpoint_keys_of(database, tmp_path)


def filed(checkpoint_keys: CheckpointKeys) -> list[Checkpoint]:
    return [open_checkpoint_file(one, checkpoint_keys.trusted()) for one in checkpoint_keys.folder.all()]


def noted(conninfo: str) -> tuple[int, bool, str | None]:
    """What the database says of the last attempt."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT size, signed_at IS NOT NULL, problem FROM ledger.checkpointing").fetchone()
    assert row is not None
    return row


async def test_checkpoints_of_any_moments_are_consistent(
    database: str, log: EventLog, checkpoint_keys: CheckpointKeys
) -> None:
    """Whatever is restarted and whichever of two services signs: each has the right root and continues the last."""
    chance = random.Random(11)
    signers = [
        checkpointer(log, checkpoint_keys),
        checkpointer(log, checkpoint_keys_of(database, checkpoint_keys.path.parents[1])),
    ]
    size, sizes = 0, []
    for _ in range(12):
        step = chance.choice([1, 7, 255, 256, 400])
        add_events(database, step)
        size += step
        sizes.append(size)
        if chance.random() < 0.3:
            signers[0] = checkpointer(log, checkpoint_keys)
        await chance.choice(signers).run_once()
    found = filed(checkpoint_keys)
    assert [one.size for one in found] == sizes
    known = leaves(hashes(size))
    for before, after in pairwise(found):
        assert after.root == root_of(after.size)
        proof = consistency_proof(known, before.size, after.size)
        assert verify_consistency(before.size, after.size, before.root, after.root, proof)
    assert (checkpoint_keys.folder.path / "latest").read_bytes() == checkpoint_keys.folder.all()[-1].path.read_bytes()
    assert noted(database) == (size, True, None)


async def test_it_signs_when_it_is_time(database: str, log: EventLog, checkpoint_keys: CheckpointKeys) -> None:
    signer = Checkpointer(log, checkpoint_keys, lambda: True, seconds=3_600, events=10)
    await signer.run_once()
    assert filed(checkpoint_keys) == []  # nothing to sign
    sizes = []
    for step in (1, 9, 1, 5, 5, 12):
        add_events(database, step)
        await signer.run_once()
        sizes.append(filed(checkpoint_keys)[-1].size)
    assert sizes == [1, 1, 11, 11, 21, 33]


async def test_what_is_signed_by_hand_is_noted_too(
    database: str, log: EventLog, checkpoint_keys: CheckpointKeys
) -> None:
    add_events(database, 5)
    assert await checkpointer(log, checkpoint_keys).sign() is not None
    assert noted(database) == (5, True, None)


async def test_only_who_leads_signs(database: str, log: EventLog, checkpoint_keys: CheckpointKeys) -> None:
    leads = False
    signer = Checkpointer(log, checkpoint_keys, lambda: leads, seconds=0, events=1)
    add_events(database, 5)
    await signer.run_once()
    assert not checkpoint_keys.folder.path.exists()
    leads = True
    await signer.run_once()
    assert [one.size for one in filed(checkpoint_keys)] == [5]


async def test_two_at_once(database: str, log: EventLog, checkpoint_keys: CheckpointKeys) -> None:
    """Two services that both believe to lead file whole checkpoints of one history."""
    signers = [checkpointer(log, checkpoint_keys_of(database, checkpoint_keys.path.parents[1])) for _ in range(4)]
    for _ in range(10):
        add_events(database, 50)
        await asyncio.gather(*(signer.run_once() for signer in signers))
    assert [one.size for one in filed(checkpoint_keys)] == [50 * number for number in range(1, 11)]
    assert all(one.root == root_of(one.size) for one in filed(checkpoint_keys))
    assert list(checkpoint_keys.folder.path.glob(".*.tmp")) == []


async def test_a_log_that_was_cut_off_is_not_signed(
    database: str, log: EventLog, checkpoint_keys: CheckpointKeys, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither by a checkpointer that runs, nor by one that starts; and not when the log is as long as before again."""
    running = checkpointer(log, checkpoint_keys)
    add_events(database, 600)
    await running.run_once()
    cut_off(database, 500)
    for signer in (running, checkpointer(log, checkpoint_keys)):
        await signer.run_once()
        assert "the log ends at position 500, and the checkpoint has 600 events" in str(noted(database)[2])
        with pytest.raises(LogBehind):
            await signer.sign()
    add_events(database, 300, account="b")
    for signer in (running, checkpointer(log, checkpoint_keys)):
        await signer.run_once()
        assert noted(database)[2] == "the first 600 events of the log are not those of the checkpoint"
        with pytest.raises(LogChanged):
            await signer.sign()
    assert [one.size for one in filed(checkpoint_keys)] == [600]
    assert [record.levelno for record in caplog.records if record.name == "credit_ledger.checkpoints"].count(
        logging.ERROR
    ) == 4
    async with log.connection() as connection:
        assert (
            await largest_matching_size(
                Tree(connection, kept=False), checkpoint_keys.folder, checkpoint_keys.trusted(), 800
            )
            == 0
        )


async def test_a_changed_event_is_noticed_where_nothing_is_kept(
    database: str, log: EventLog, checkpoint_keys: CheckpointKeys
) -> None:
    """Below 256 events, or with the kept subtrees gone, a start looks at the events themselves."""
    signer = checkpointer(log, checkpoint_keys)
    for step in (100, 50, 50):
        add_events(database, step)
        await signer.run_once()
    behind_its_back(database, "UPDATE ledger.events SET hash = sha256('x') WHERE notification_id = 120")
    add_events(database, 1)
    await checkpointer(log, checkpoint_keys).run_once()
    problem = noted(database)[2]
    assert problem is not None
    assert problem.startswith("the event at position 120 of account a120 cannot be read: NotChained: ")
    async with log.connection() as connection:
        tree = Tree(connection)
        assert isinstance((await compare(tree, checkpoint_keys.folder, checkpoint_keys.trusted())).problem, LogChanged)
        assert await largest_matching_size(tree, checkpoint_keys.folder, checkpoint_keys.trusted(), 201) == 100


async def test_what_does_not_chain_is_not_signed(database: str, log: EventLog, checkpoint_keys: CheckpointKeys) -> None:
    """Neither an event whose hash is wrong, nor one that follows none."""
    signer = checkpointer(log, checkpoint_keys)
    add_events(database, 10)
    await signer.run_once()
    add_events(database, 10)
    unsigned = "topic, state, NULL, NULL, NULL, NULL"
    rechained = f"originator_version = {{0}}, hash = ledger.link(ledger.genesis(), originator_id, {{0}}, {unsigned})"
    harms = ("topic = 'Something'", "topic = 'Nothing'"), (rechained.format(2), rechained.format(1))
    for harm, mending in harms:
        behind_its_back(database, f"UPDATE ledger.events SET {harm} WHERE notification_id = 15")
        for one in signer, checkpointer(log, checkpoint_keys):
            await one.run_once()
            problem = noted(database)[2]
            assert problem is not None
            assert problem.startswith("the event at position 15 of account a15 cannot be read: NotChained: ")
        behind_its_back(database, f"UPDATE ledger.events SET {mending} WHERE notification_id = 15")
    assert [one.size for one in filed(checkpoint_keys)] == [10]
    await signer.run_once()
    assert [one.size for one in filed(checkpoint_keys)] == [10, 20]


@pytest.mark.parametrize("place", [0, 40, 90, 130, -3])
async def test_a_changed_checkpoint_is_noticed(
    database: str, log: EventLog, checkpoint_keys: CheckpointKeys, place: int
) -> None:
    signer = checkpointer(log, checkpoint_keys)
    add_events(database, 10)
    await signer.run_once()
    path = checkpoint_keys.folder.all()[-1].path
    note = path.read_bytes()
    path.write_bytes(note[:place] + bytes([note[place] ^ 1]) + note[place:][1:])
    add_events(database, 10)
    for one in (signer, checkpointer(log, checkpoint_keys)):
        with pytest.raises(BadNote, match=path.name):
            await one.sign()
    assert len(checkpoint_keys.folder.all()) == 1


async def test_a_checkpoint_under_another_name_is_noticed(
    database: str, log: EventLog, checkpoint_keys: CheckpointKeys
) -> None:
    add_events(database, 10)
    await checkpointer(log, checkpoint_keys).run_once()
    path = checkpoint_keys.folder.all()[-1].path
    path.rename(path.with_name(f"{8:019}.checkpoint"))
    with pytest.raises(BadNote, match="a checkpoint of 10 events under the name of another"):
        await checkpointer(log, checkpoint_keys).sign()


async def test_a_folder_that_cannot_be_written_is_said_and_tried_again(
    database: str, log: EventLog, checkpoint_keys: CheckpointKeys, caplog: pytest.LogCaptureFixture
) -> None:
    signer = checkpointer(log, checkpoint_keys)
    add_events(database, 10)
    checkpoint_keys.folder.path.parent.parent.mkdir(exist_ok=True)
    checkpoint_keys.folder.path.parent.write_text("a file where the folder should be")
    await signer.run_once()
    await signer.run_once()
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "no checkpoint can be written" in errors[0]
    assert noted(database)[:2] == (0, False)
    assert "no checkpoint can be written" in str(noted(database)[2])
    checkpoint_keys.folder.path.parent.unlink()
    await signer.run_once()
    assert [one.size for one in filed(checkpoint_keys)] == [10]
    assert noted(database) == (10, True, None)


async def test_a_rotation_beside_a_running_service(
    database: str, log: EventLog, checkpoint_keys: CheckpointKeys
) -> None:
    """What is signed next is signed by the new key, and the first key leads to it."""
    signer = checkpointer(log, checkpoint_keys)
    add_events(database, 10)
    await signer.run_once()
    first = checkpoint_keys.trusted()[0].key
    operator = checkpoint_keys_of(database, checkpoint_keys.path.parents[1])
    with operator.folder.locked():
        operator.rotate(datetime.now(UTC))
    add_events(database, 10)
    await signer.run_once()
    keys = checkpoint_keys.trusted()
    assert [(each.first, each.last) for each in keys] == [(0, 10), (10, None)]
    assert keys[0].key == first
    assert [one.size for one in filed(checkpoint_keys)] == [10, 20]
    with pytest.raises(BadNote):
        open_checkpoint_file(checkpoint_keys.folder.all()[-1], keys[:1])


async def test_what_was_recorded_last_is_signed_when_the_service_stops(
    database: str, log: EventLog, checkpoint_keys: CheckpointKeys
) -> None:
    signer = Checkpointer(log, checkpoint_keys, lambda: True, seconds=3_600, events=1_000_000)
    add_events(database, 3)
    task = asyncio.create_task(signer.run())
    async with asyncio.timeout(240):
        while not checkpoint_keys.folder.all():  # noqa: ASYNC110  # a file tells nobody that it is there
            await asyncio.sleep(0.01)
    add_events(database, 4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert [one.size for one in filed(checkpoint_keys)] == [3, 7]


async def test_what_must_not_be_signed_ends_no_service_in_an_error(
    database: str, log: EventLog, checkpoint_keys: CheckpointKeys
) -> None:
    """What happened behind its back since it looked last is said at the end, and not thrown at whoever stops it."""
    signer = Checkpointer(log, checkpoint_keys, lambda: True, seconds=3_600, events=1_000_000)
    add_events(database, 3)
    task = asyncio.create_task(signer.run())
    async with asyncio.timeout(240):
        while noted(database)[0] != 3:  # noqa: ASYNC110  # a table tells nobody either
            await asyncio.sleep(0.01)
    cut_off(database, 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert noted(database)[2] == "the log ends at position 2, and the checkpoint has 3 events"


async def test_kept_subtrees_may_be_deleted_or_damaged_while_it_runs(
    database: str, log: EventLog, checkpoint_keys: CheckpointKeys
) -> None:
    """They are made again, by the one that runs as by the next; what is signed is right all the time."""
    signer = checkpointer(log, checkpoint_keys)
    for damage in ("DELETE FROM ledger.subtrees WHERE place % 2 = 0", "UPDATE ledger.subtrees SET hash = sha256('x')"):
        add_events(database, 700)
        await signer.run_once()
        with psycopg.connect(database) as connection:
            connection.execute(damage.encode())
        add_events(database, 300)
        await signer.run_once()
        assert await whole(log) == (0 if "DELETE" in damage else 1_792)
        async with log.connection() as connection_:
            await signer.check_subtrees(Tree(connection_))
        await signer.run_once()
        size = filed(checkpoint_keys)[-1].size
        assert await whole(log) == size >> 8 << 8
        async with log.connection() as connection_:
            assert await Tree(connection_).root(size) == root_of(size)
    assert all(one.root == root_of(one.size) for one in filed(checkpoint_keys))


async def whole(log: EventLog) -> int:
    async with log.connection() as connection:
        return await Tree(connection).stored_size()


async def test_a_start_with_damaged_subtrees_looks_at_the_events(
    database: str, log: EventLog, checkpoint_keys: CheckpointKeys, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither does the service refuse to start for it, nor is a wrong root signed."""
    settings = load_settings(data_dir=checkpoint_keys.path.parents[1])
    add_events(database, 20_000)
    await checkpointer(log, checkpoint_keys).run_once()
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE ledger.subtrees SET hash = sha256('x') WHERE place = 3")
    await asyncio.to_thread(check_against_checkpoints, settings, database)
    assert "reading all of its events again" in caplog.text
    add_events(database, 1)
    await checkpointer(log, checkpoint_keys).run_once()
    assert [one.size for one in filed(checkpoint_keys)] == [20_000, 20_001]
    assert filed(checkpoint_keys)[-1].root == root_of(20_001)
    behind_its_back(database, "UPDATE ledger.events SET hash = sha256('x') WHERE notification_id = 19999")
    with pytest.raises(CannotServe, match="the first 20,001 events of the log are not those of the checkpoint"):
        await asyncio.to_thread(check_against_checkpoints, settings, database)
