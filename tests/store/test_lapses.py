"""What has lapsed of a grant is looked up in the log, wherever it lapsed, and given back once."""

from datetime import timedelta

import psycopg

from ledger.commit.submission import Recorded
from ledger.domain import commands as c
from ledger.domain.events import GrantExpiryChanged
from ledger.service import Ledger
from tests.conftest import Clock
from tests.store.asking import balance, open_account, sound, submission

DAY = timedelta(days=1)


async def asked(ledger: Ledger, command: c.Command, key: str) -> Recorded:
    outcome = await ledger.execute(submission(command, type(command).__name__, key, (repr(command),)))
    assert isinstance(outcome, Recorded), outcome
    return outcome


async def spend(ledger: Ledger, account: str) -> None:
    """Of 100 credits for a day, 40 are spent and 20 are held."""
    await open_account(ledger, account)
    await asked(ledger, c.GrantCredits(account, "subscription", 100, lifetime=DAY), "g")
    await asked(ledger, c.DeductCredits(account, 40), "d")
    await asked(ledger, c.PlaceHold(account, 20, 3 * DAY), "h")


async def test_all_that_lapsed_of_a_grant_comes_back(database: str, clock: Clock) -> None:
    async with Ledger(database, clock=clock).running() as ledger:
        for account in ("a", "b"):
            await spend(ledger, account)
        clock.forward(days=2)
        for account in ("a", "b"):
            await asked(ledger, c.ReverseDeduction(account, "ded_3", 30), "r")
            await asked(ledger, c.ReleaseHold(account, "hld_4"), "l")
        changed = await asked(ledger, c.ChangeGrantExpiry("a", "grt_2", clock() + DAY, True), "e")
        event = changed.events[-1]
        assert isinstance(event, GrantExpiryChanged)
        assert event.reinstated == 90
        assert await balance(ledger, "a") == 90
        await asked(ledger, c.ReverseDeduction("a", "ded_3"), "rest")
        assert await balance(ledger, "a") == 100
        clock.forward(days=2)
        again = await asked(ledger, c.ChangeGrantExpiry("a", "grt_2", clock() + DAY, True), "again")
        assert [type(event).__name__ for event in again.events] == ["CreditsExpired", "GrantExpiryChanged"]
        assert (await balance(ledger, "a"), await balance(ledger, "b")) == (100, 0)
        await sound(ledger)


def test_lapses_are_found_by_their_index(database: str) -> None:
    query = """
        EXPLAIN SELECT * FROM ledger.events
        WHERE originator_id = 'a' AND originator_version > 2
          AND (topic = 'CreditsExpired'
               OR topic IN ('HoldCaptured', 'HoldExpired', 'HoldReleased', 'DeductionReversed', 'TransferReversed')
                  AND position('"fate":"lapsed"'::bytea IN state) > 0)
    """
    with psycopg.connect(database) as connection:
        connection.execute("SET enable_seqscan = off")
        assert any("events_lapses" in line for (line,) in connection.execute(query))
