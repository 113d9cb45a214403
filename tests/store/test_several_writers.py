"""Several processes on one database: nobody is starved, nothing is lost, done twice or refused in error."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from ledger.commit.submission import Recorded
from ledger.domain.errors import InsufficientCredits
from ledger.service import Ledger
from tests.postgres import TestServer
from tests.service import running_service
from tests.store.asking import balance, deduct, open_account, sound

TURNS = 40
AT_ONCE = 10


async def test_two_committers_on_one_account(each_database: str) -> None:
    """Each sees its cached state overtaken nearly every time; each must still get its commands through."""
    async with Ledger(each_database).running() as one, Ledger(each_database).running() as two:
        await open_account(one, "a", permanent=2 * TURNS * AT_ONCE)

        async def work(ledger: Ledger, name: str) -> list[object]:
            done: list[object] = []
            for turn in range(TURNS):
                keys = [f"{name}-{turn}-{n}" for n in range(AT_ONCE)]
                done += await asyncio.gather(*(deduct(ledger, "a", 1, key) for key in keys))
            return done

        outcomes = [o for side in await asyncio.gather(work(one, "one"), work(two, "two")) for o in side]
        assert all(isinstance(o, Recorded) and not o.replayed for o in outcomes)
        assert await balance(one, "a") == await balance(two, "a") == 0
        assert isinstance(await deduct(two, "a", 1, "more"), InsufficientCredits)
        await sound(one)


async def test_the_same_key_in_two_processes(each_database: str) -> None:
    async with Ledger(each_database).running() as one, Ledger(each_database).running() as two:
        await open_account(one, "a", permanent=10)
        for turn in range(TURNS):
            outcomes = await asyncio.gather(*(deduct(ledger, "a", 1, f"{turn}") for ledger in (one, two)))
            await open_account(one, f"more-{turn}", permanent=turn)
            if turn < 10:
                assert sorted(o.replayed for o in outcomes if isinstance(o, Recorded)) == [False, True]
            else:
                assert all(isinstance(o, InsufficientCredits) for o in outcomes)
        await sound(two)


async def test_a_refusal_is_checked_against_what_others_wrote(each_database: str) -> None:
    """A cached state says no; a grant by another process has made it a yes."""
    async with Ledger(each_database).running() as one, Ledger(each_database).running() as two:
        await open_account(one, "a", permanent=5)
        assert isinstance(await deduct(two, "a", 5, "all"), Recorded)
        await open_account(two, "b", permanent=0)
        assert isinstance(await deduct(one, "a", 1, "k"), InsufficientCredits)
        assert await balance(one, "a") == 0


def test_four_real_workers_on_few_accounts(server: TestServer, tmp_path: Path) -> None:
    """`credit-ledger serve --workers 4`, many clients, retries of everything, and a sum that must come out."""
    clients, requests, accounts = 8, 60, 3
    with server.database() as conninfo, running_service(conninfo, tmp_path, workers=4) as service:
        names = [service.open_account(permanent=1_000) for _ in range(accounts)]

        def work(client: int) -> int:
            taken = 0
            for n in range(requests):
                path = f"/v1/accounts/{names[n % accounts]}/deductions"
                answers = [service.post(path, {"amount": 3}, key=f"{client}-{n}") for _ in range(1 + n % 2)]
                assert {a.status_code for a in answers} <= {201, 200, 402}, answers[0].text
                assert len({a.text for a in answers}) == 1
                taken += 3 * (answers[0].status_code == 201)
            return taken

        with ThreadPoolExecutor(clients) as pool:
            taken = sum(pool.map(work, range(clients)))
        left = [service.get(f"/v1/accounts/{name}/balance").json()["total"] for name in names]
        assert sum(left) == accounts * 1_000 - taken
        assert taken == 3 * clients * requests
        with psycopg.connect(conninfo) as connection:
            row = connection.execute(
                "SELECT count(*), max(notification_id),"
                " count(DISTINCT (originator_id, receipt)) FILTER (WHERE receipt IS NOT NULL), count(receipt)"
                " FROM ledger.events"
            ).fetchone()
        assert row is not None
        assert row[0] == row[1]
        assert row[2] == row[3]
