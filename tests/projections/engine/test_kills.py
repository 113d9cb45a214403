"""The runner is cut off thousands of times, at any statement: the rows are those of a run that nobody disturbed."""

import random

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ledger.domain.commands import DeductCredits, OpenAccount
from ledger.postgres.errors import LOST
from projections.engine.builds import Batch, BuildMoved, Work, apply, live
from projections.engine.runner import prepare
from projections.models.catalog import PROJECTIONS
from tests.domain.journal import ACCOUNT_ID, Journal
from tests.long_form import times
from tests.postgres import owner
from tests.projections.bench import Bench
from tests.projections.engine.fragile import FragileConnection
from tests.projections.folding import Told, folded
from tests.projections.histories import logs
from tests.projections.stored import assert_same, positions, problems, rows_as_stored, rows_to_compare

KILLS = times(25, 50)
"""In each example, at least."""


@settings(
    deadline=None,
    max_examples=times(8, 40),
    phases=[Phase.reuse, Phase.generate],  # chance is in the timing too: to shrink takes minutes and tells nothing
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(log=logs(), seed=st.integers(0, 2**32))
def test_rows_are_those_of_an_undisturbed_run(
    bench: Bench, caplog: pytest.LogCaptureFixture, log: list[Told], seed: int
) -> None:
    chance = random.Random(seed)
    caplog.clear()
    bench.empty()
    bench.run(bench.append(log))
    bench.run(bench.project(page=7))
    undisturbed = rows_as_stored(bench.plain)
    kills = 0
    while kills < KILLS:
        bench.empty_projections()
        kills += bench.run(_disturbed(bench, chance))
        assert not problems(bench.plain)
        assert set(positions(bench.plain).values()) == {len(log)}
        assert_same(rows_as_stored(bench.plain), undisturbed)
    assert_same(rows_to_compare(bench.plain), folded(log))
    assert not [record for record in caplog.records if record.name == "credit_ledger.projections"]


def test_a_batch_is_applied_once(bench: Bench) -> None:
    """Whoever thinks that the projections are where they no longer are is told so, and has changed nothing."""
    bench.empty()
    journal = Journal()
    for command in (OpenAccount(ACCOUNT_ID, 100), DeductCredits(ACCOUNT_ID, 1), DeductCredits(ACCOUNT_ID, 2)):
        journal.carry_out(command)
    log = [Told(version, ACCOUNT_ID, version, event) for version, event in enumerate(journal.events, 1)]
    bench.run(bench.append(log))
    builds = [live(projection) for projection in PROJECTIONS]
    batch, work = bench.run(prepare(bench.feed, builds, 0, 3))
    bench.run(apply(bench.connection, batch, work))
    for again in batch, Batch(2, 3, batch.facts[2:]), Batch(4, 5, ()):
        with pytest.raises(BuildMoved):
            bench.run(apply(bench.connection, again, work))
    assert_same(rows_to_compare(bench.plain), folded(log[:3]))
    assert set(positions(bench.plain).values()) == {3}


def test_a_build_that_is_gone_has_moved_and_has_not_stopped(bench: Bench) -> None:
    """Somebody may drop or rename a build between a look at its position and the write."""
    bench.empty()
    batch = Batch(0, 1, ())
    work: Work = [(live(projection), []) for projection in PROJECTIONS]
    _rename(bench, "projection_history", "projection_history_aside")
    try:
        with pytest.raises(BuildMoved):
            bench.run(apply(bench.connection, batch, work))
    finally:
        _rename(bench, "projection_history_aside", "projection_history")
    assert set(positions(bench.plain).values()) == {0}


def _rename(bench: Bench, name: str, other: str) -> None:
    with psycopg.connect(owner(bench.conninfo)) as connection:
        connection.execute(f"ALTER SCHEMA {name} RENAME TO {other}".encode())


async def _disturbed(bench: Bench, chance: random.Random) -> int:
    """Project to the end of the log, on as many connections as it takes; says how many were cut."""
    kills = 0
    while True:
        connection = await FragileConnection.fragile(bench.conninfo, chance)
        async with connection:
            try:
                runner = bench.runner(page=chance.randint(1, 4))
                while await runner.step(connection):
                    pass
            except (BuildMoved, *LOST):
                kills += connection.breaks
            else:
                return kills
