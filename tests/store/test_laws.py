"""Laws of the store, on random streams: bytes lose nothing, a snapshot at any point changes nothing, and the log on a
real database gives a decision the same past as reading the whole stream."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.commit.submission import Recorded
from ledger.domain.account import evolve, fold
from ledger.domain.errors import Refusal
from ledger.service import Ledger
from ledger.store.records.codec import decode, decode_snapshot, encode, encode_snapshot
from tests.conftest import Clock
from tests.domain.journal import Journal
from tests.domain.strategies import journals
from tests.long_form import times
from tests.postgres import TestServer
from tests.store.asking import submission
from tests.store.samples import METADATA


@settings(deadline=None, max_examples=times(30, 60))
@given(journal=journals())
def test_bytes_lose_nothing(journal: Journal) -> None:
    for event in journal.events:
        assert decode(*encode(event, METADATA)) == (event, METADATA)


@settings(deadline=None, max_examples=times(30, 60))
@given(journal=journals(), data=st.data())
def test_a_snapshot_at_any_point_changes_nothing(journal: Journal, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(journal.events)))
    snapshot = fold(tuple(journal.events[:cut]))
    assert snapshot is not None
    account = decode_snapshot(encode_snapshot(snapshot))
    assert account == snapshot
    for event in journal.events[cut:]:
        account = evolve(account, event)
    assert account == journal.account


@settings(
    deadline=None,
    max_examples=times(15, 40),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(journal=journals())
def test_the_ledger_answers_like_the_journal(server: TestServer, journal: Journal) -> None:
    """The same commands at the same times, through the committer and PostgreSQL: the same events and refusals."""
    with server.database() as conninfo:
        asyncio.run(_replayed(conninfo, journal))


async def _replayed(conninfo: str, journal: Journal) -> None:
    clock = Clock()
    async with Ledger(conninfo, clock=clock, cached_accounts=1).running() as ledger:
        for number, asked in enumerate(journal.asked):
            clock.now = asked.at
            pending = submission(asked.command, "op", f"{number}", (number,))
            again = submission(asked.command, "op", f"{number}", (number,))
            outcome = await ledger.execute(pending)
            if isinstance(asked.told, Refusal):
                assert isinstance(outcome, Refusal)
                assert (type(outcome), outcome.facts) == (type(asked.told), asked.told.facts)
                continue
            assert isinstance(outcome, Recorded)
            assert outcome.events == asked.told
            if asked.told:
                assert await ledger.execute(again) == outcome._replace(replayed=True)
        found = await ledger.account_at(journal.account.account_id) if journal.account else None
        assert (found.newest.version if found else 0) == len(journal.events)
