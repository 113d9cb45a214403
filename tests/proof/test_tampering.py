"""Some hundreds of the harms of tampering.py, in seconds; and what nobody can find, so that it is known."""

import asyncio
import os
import random
from collections.abc import Callable, Iterator, Sequence

import pytest

from audit.verify.offline import Trusting, verify_path
from ledger.proof.checkpoint import read_checkpoint
from ledger.proof.notes import text_of
from ledger.proof.walk import Walk
from tests.postgres import TestServers
from tests.proof.evidence import Evidence, Silence, gather
from tests.proof.harms import BEYOND_PROOF, Harmed, Records, first_place
from tests.proof.tampering import Tampering, table, unprotected

TIMES = 250


@pytest.fixture(scope="module")
def scene(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Evidence, Tampering]]:
    server = servers.get("embedded")
    assert server is not None
    where = tmp_path_factory.mktemp("evidence")
    with server.database() as database:
        evidence = asyncio.run(gather(database, where, accounts=8))
        unprotected(database)
        yield evidence, Tampering(evidence, database, where)


def test_what_was_not_touched_holds(scene: tuple[Evidence, Tampering]) -> None:
    evidence, tampering = scene
    for path in (evidence.bundle, *evidence.statements):
        assert verify_path(path, Trusting(None, [evidence.key]), Silence()).breach is None
    assert tampering.judge_database() is None


def test_every_harm_is_found_where_it_is(scene: tuple[Evidence, Tampering]) -> None:
    """A failure names the seed: `python -m tests.proof.tampering --seed ... --only ...` does that one again."""
    seed = os.environ.get("CREDIT_LEDGER_TEST_SEED") or random.randrange(1_000_000)
    done = [scene[1].do(number, seed) for number in range(TIMES)]
    assert len(done) == TIMES
    print(table(done))


@pytest.mark.parametrize("harm", BEYOND_PROOF, ids=lambda harm: harm.__name__)
def test_what_is_chained_behind_the_newest_checkpoint_is_nobodys_to_find(
    scene: tuple[Evidence, Tampering], harm: Callable[[random.Random, Records, Sequence[int]], Harmed]
) -> None:
    """docs/proof.md says so; the report says how many events that are."""
    evidence, _ = scene
    notes = [text_of(filed.path.read_bytes()) for filed in evidence.checkpoint_keys.folder.all()]
    records = harm(random.Random(1), list(evidence.records), evidence.sizes).records
    walk = Walk(map(read_checkpoint, notes))
    walk.take(records)
    walk.finish()
    assert records != list(evidence.records)
    assert (walk.signed, walk.position) == (max(evidence.sizes), len(records))


def test_the_oracle_finds_nothing_in_what_was_not_touched(scene: tuple[Evidence, Tampering]) -> None:
    evidence, _ = scene
    checkpoints = [read_checkpoint(text_of(filed.path.read_bytes())) for filed in evidence.checkpoint_keys.folder.all()]
    assert first_place(list(evidence.records), {one.size: one.root for one in checkpoints}) is None


def test_it_does_not_matter_how_many_records_come_at_once(scene: tuple[Evidence, Tampering]) -> None:
    """A checkpoint may fall anywhere among them."""
    evidence, _ = scene
    notes = [text_of(filed.path.read_bytes()) for filed in evidence.checkpoint_keys.folder.all()]
    for length in (1, 7, 1_000):
        walk = Walk(map(read_checkpoint, notes), every=2)
        for start in range(0, len(evidence.records), length):
            walk.take(evidence.records[start : start + length])
        walk.finish()
        assert (walk.checkpoints, walk.signed) == (len(notes), max(evidence.sizes))
        assert sum(node.level == 2 for node in walk.completed) == len(evidence.records) // 4
