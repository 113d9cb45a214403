"""The tree in the database against the recursive definition: proofs at any place, whatever of it is kept or lost."""

import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from psycopg import AsyncConnection

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.checkpointer import GrowingTree
from ledger.proof.merkle import EMPTY_ROOT, Frontier, Node, leaf, leaves, verify_consistency, verify_inclusion
from ledger.proof.tree import PAGE, HoleInLog, Tree
from ledger.store.reader import Connection
from ledger.store.records.chain import UnreadableEvent
from tests.postgres import tampering
from tests.proof.logs import add_events, behind_its_back, cut_off, hashes, root_of

SIZE = 70_001
"""Enough for a subtree of level 16 with a rest."""


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await AsyncConnection.connect(database, autocommit=True) as connection:
        yield connection


async def test_proofs_of_a_large_log(database: str, connection: Connection) -> None:
    """With everything kept, with some of it lost, and with nothing kept, they are the same and they are right."""
    add_events(database, SIZE)
    events, tree, plain = hashes(SIZE), Tree(connection), Tree(connection, kept=False)
    growth = GrowingTree(lambda: None)
    assert await growth.follow(tree) == SIZE == await tree.end()
    assert growth.frontier == Frontier().extend(leaves(events)) == await tree.frontier(SIZE)
    assert growth.frontier.root() == root_of(SIZE)
    assert await tree.stored_size() == SIZE >> 8 << 8
    chance = random.Random(4)
    places = [0, 1, 255, 256, 65_535, 65_536, SIZE - 1, *(chance.randrange(SIZE) for _ in range(8))]
    proofs: list[list[bytes]] = []
    for loss in ("", "place % 3 = 1", "level = 8", "true"):
        if loss:
            await connection.execute(f"DELETE FROM ledger.subtrees WHERE {loss}".encode())
            assert await tree.stored_size() == 0
        proofs = await tree.inclusion_proofs(places, SIZE)
        for place, proof in zip(places, proofs, strict=True):
            assert verify_inclusion(leaf(events[place]), place, SIZE, proof, growth.frontier.root())
    assert proofs[-1] == await plain.inclusion_proof(places[-1], SIZE)
    for old in {256, 65_536, SIZE - 1, SIZE, *(chance.randrange(1, SIZE) for _ in range(2))}:
        proof = await tree.consistency_proof(old, SIZE)
        assert proof == await plain.consistency_proof(old, SIZE)
        assert verify_consistency(old, SIZE, await tree.root(old), growth.frontier.root(), proof)


async def test_a_proof_reads_little(database: str, connection: Connection) -> None:
    add_events(database, SIZE)
    tree = Tree(connection)
    await GrowingTree(lambda: None).follow(tree)
    behind_its_back(database, "DELETE FROM ledger.events WHERE notification_id BETWEEN 2000 AND 69000")
    proof = await tree.inclusion_proof(1_000, 69_888)
    assert len(proof) == 17
    with pytest.raises(HoleInLog):
        await Tree(connection, kept=False).inclusion_proof(1_000, 69_888)


async def test_small_and_empty_logs(database: str, connection: Connection) -> None:
    tree = Tree(connection)
    assert await tree.end() == 0
    assert await tree.root(0) == EMPTY_ROOT
    assert await GrowingTree(lambda: None).follow(tree) == 0
    assert await tree.subtrees_match_log()
    add_events(database, 3)
    assert [await tree.root(size) for size in range(1, 4)] == [root_of(size) for size in range(1, 4)]
    assert await tree.consistency_proof(0, 3) == []
    with pytest.raises(ValueError, match="no leaf 3 in a tree of 3"):
        await tree.inclusion_proof(3, 3)
    with pytest.raises(HoleInLog, match="only 3 of the events at positions 1 to 4 exist"):
        await tree.root(4)


async def test_it_grows_in_any_steps_and_goes_on_after_a_restart(database: str, connection: Connection) -> None:
    chance = random.Random(7)
    tree, growth, size = Tree(connection), GrowingTree(lambda: None), 0
    while size < 3_000:
        step = chance.choice([1, 100, 256, 700])
        add_events(database, step)
        size += step
        if chance.random() < 0.4:
            signed = Checkpoint("x", size - step, root_of(size - step))
            growth = GrowingTree(lambda signed=signed: signed)  # type: ignore[misc]
        assert await growth.follow(tree) == size
        assert growth.frontier is not None
        assert growth.frontier.root() == root_of(size)
    kept = await (await connection.execute("SELECT level, place, hash FROM ledger.subtrees ORDER BY 1, 2")).fetchall()
    made = await Tree(connection, kept=False).hashes(Node(8, place) for place in range(size >> 8))
    assert [(Node(level, place), one) for level, place, one in kept] == list(made.items())


async def test_what_is_kept_of_another_history_is_not_believed(database: str, connection: Connection) -> None:
    """The end of the log is cut off and another one written: the kept subtrees are still those of the old one."""
    add_events(database, 2_000)
    tree = Tree(connection)
    growth = GrowingTree(lambda: None)
    await growth.follow(tree)
    cut_off(database, 1_500)
    assert not await tree.subtrees_match_log()
    add_events(database, 600, account="b")
    assert not await tree.subtrees_match_log()
    other = hashes(1_500) + hashes(2_100, account="b")[1_500:]
    for follower in (growth, GrowingTree(lambda: None)):
        assert await follower.follow(tree) == 2_100
        assert follower.frontier == Frontier().extend(leaves(other))
    assert await tree.subtrees_match_log()
    assert await tree.stored_size() == 2_048


async def test_a_restart_believes_what_is_kept_only_if_it_was_signed(
    database: str, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    add_events(database, SIZE)
    tree = Tree(connection)
    await GrowingTree(lambda: None).follow(tree)
    signed = Checkpoint("x", SIZE - 100, root_of(SIZE - 100))
    add_events(database, 1_000)
    behind_its_back(database, "UPDATE ledger.events SET hash = sha256('x') WHERE notification_id = 1000")
    believes = GrowingTree(lambda: signed)
    await believes.follow(tree)
    assert believes.frontier is not None
    assert believes.frontier.root() == root_of(SIZE + 1_000)  # the change is for `verify` to find: not all is read
    assert caplog.records == []
    await connection.execute("UPDATE ledger.subtrees SET hash = sha256('x') WHERE level = 16")
    doubts = GrowingTree(lambda: signed)
    with pytest.raises(UnreadableEvent, match="the event at position 1000 of account a1000"):
        await doubts.follow(tree)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_changed_subtree_is_found(database: str, connection: Connection) -> None:
    """Among the newest: `ledger.proof.kept_subtrees` looks at all."""
    add_events(database, SIZE)
    tree = Tree(connection)
    await GrowingTree(lambda: None).follow(tree)
    with tampering(database) as other:
        other.execute("UPDATE ledger.subtrees SET hash = sha256('x') WHERE level = 8 AND place IN (5, 100)")
        other.execute("UPDATE ledger.subtrees SET hash = sha256('x') WHERE level = 16")
    assert await tree.subtrees_match_log()
    with tampering(database) as other:
        other.execute("UPDATE ledger.subtrees SET hash = sha256('x') WHERE level = 8 AND place = 270")
    assert not await tree.subtrees_match_log()


async def test_a_hole_is_said_with_its_place(database: str, connection: Connection) -> None:
    add_events(database, 1_000)
    behind_its_back(database, "DELETE FROM ledger.events WHERE notification_id = 777")
    with pytest.raises(HoleInLog, match="only 999 of the events at positions 1 to 1,000 exist"):
        await GrowingTree(lambda: None).follow(Tree(connection))


def test_a_page_is_of_whole_subtrees() -> None:
    assert PAGE % 256 == 0
