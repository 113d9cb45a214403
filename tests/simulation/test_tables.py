"""The simulated database against real ones: the same random script on each, through the real EventLog, must read alike.

What the simulation proves is worth as much as this agreement.
"""

import asyncio
import random
from typing import Any

import psycopg
import pytest

from ledger.postgres.arrays import texts
from ledger.store.batch import Row, check
from ledger.store.log import EventLog, Writer
from ledger.store.reader import SQL
from ledger.store.records.chain import GENESIS, link
from ledger.store.records.codec import SNAPSHOT_TOPIC
from ledger.store.snapshots import state_digest
from tests.postgres import TestServer
from tests.simulation.driver import driving
from tests.simulation.loop import VirtualLoop
from tests.simulation.server import Server
from tests.simulation.weather import Weather

ACCOUNTS = ["a", "b", "ç"]
RECEIPTS = [f"deduct:{n}" for n in range(6)]
STEPS = 120
SNAPSHOTS = [b"one", b"another"]
_EVENT = b'{"data":{"balance":{}},"recorded_at":"2026-03-01T00:00:00Z","schema":1%s}'
STATES = [_EVENT % b"", *(_EVENT % b',"state_digest":"%s"' % state_digest(one).encode() for one in SNAPSHOTS)]
"""States of events, of which two prove a snapshot."""


class Script:
    """Random statements. What it knows of the log it has from what was answered."""

    def __init__(self, log: EventLog, seed: int) -> None:
        self.log = log
        self.rng = random.Random(seed)
        self.ends: dict[str, tuple[int, bytes]] = {}
        self.heard: list[Any] = []

    async def play(self) -> list[Any]:
        """All that was answered, in order."""
        await self.log.open()
        writer, process = await self.log.connect_writer(None)
        for step in range(STEPS):
            await self.rng.choice([self.append, self.append, self.append_exclusively, self.ask, self.keep])(writer)
            if step == STEPS // 2:
                lost = writer
                writer, process = await self.log.connect_writer(process)
                with pytest.raises(psycopg.OperationalError):
                    await lost.append([], {})
        await writer.close()
        await self.log.close()
        return self.heard

    async def append(self, writer: Writer) -> None:
        """A batch, on its own."""
        try:
            done = await writer.append(*self._batch())
        except psycopg.Error as error:
            self.heard.append(type(error))
        else:
            self.heard.append(done)
        await self._look(writer)

    async def append_exclusively(self, writer: Writer) -> None:
        """A batch in a transaction, which may be given up."""
        try:
            async with writer.exclusively():
                self.heard.append(await writer.append(*self._batch()))
                if self.rng.random() < 0.5:
                    raise ZeroDivisionError
        except (psycopg.Error, ZeroDivisionError) as error:
            self.heard.append(type(error))
        await self._look(writer)

    def _batch(self) -> tuple[list[Row], dict[str, bytes]]:
        rng, rows, used = self.rng, [], set()
        next_ones: dict[str, int] = {}
        for _ in range(rng.randint(0, 5)):
            account = rng.choice(ACCOUNTS)
            version, end = self.ends.get(account, (0, GENESIS))
            previous = None
            if account not in next_ones:
                next_ones[account] = max(1, version + 1 + rng.choice([0, 0, 0, 0, 0, 1, -1]))
                previous = rng.choice([end] * 9 + [rng.randbytes(32)])
            receipt = rng.choice([None, *RECEIPTS])
            if (account, receipt) in used and rng.random() < 0.9:
                receipt = None
            used.add((account, receipt))
            if rng.random() < 0.2:
                rows.append(check(account, next_ones[account], receipt, previous))
                continue
            before = previous or rows[-1].hash if rows and rows[-1].account_id == account else previous
            erasing = before is not None and next_ones[account] > 1 and rng.random() < 0.1
            topic = "TextsErased" if erasing else "CreditsDeducted"
            signature: tuple[str | None, bytes | None, int | None] = (receipt, b"print", 1)
            if receipt is None:
                signature = (None, None, None)
            subject = rng.choice([None, "grt_1", "hld_2"])
            hash_ = rng.choice([rng.randbytes(32)] * 30 + [None])
            row = (account, next_ones[account], topic, rng.choice(STATES), subject, *signature)
            if erasing and before is not None:
                hash_ = link(before, *row)  # an erasure that is none is refused (test_append.py)
            rows.append(Row(*row, previous, hash_))
            next_ones[account] += 1
        keys = {account: rng.randbytes(32) for account in next_ones if rng.random() < 0.2}
        return rows, keys

    async def _look(self, writer: Writer) -> None:
        all_of_it = {"snapshot": "none", "limit": 1_000}
        for account in ACCOUNTS:
            rows = await self._hear(writer, "load", accounts=[account], known=[0], hashes=[GENESIS], **all_of_it)
            self.ends[account] = (rows[-1].version, rows[-1].hash) if rows[-1].version else (0, GENESIS)

    async def ask(self, writer: Writer) -> None:
        """Every other question."""
        rng = self.rng
        accounts = rng.sample([*ACCOUNTS, "nobody"], 3)
        ends = [rng.choice([self.ends.get(account, (0, GENESIS)), (0, GENESIS), (2, GENESIS)]) for account in accounts]
        known = {"known": [version for version, _ in ends], "hashes": [end for _, end in ends]}
        limit = rng.randint(1, 9)
        await self._hear(writer, "load", accounts=accounts, **known, snapshot=SNAPSHOT_TOPIC, limit=limit)
        after, upto = rng.choice([0, 0, 2]), rng.randint(0, 9)
        of_one: dict[str, Any] = {"account": accounts[0], "after": after, "upto": upto, "limit": rng.randint(1, 9)}
        await self._hear(writer, "load_at", snapshot=SNAPSHOT_TOPIC, **of_one)
        await self._hear(writer, "newest_events", accounts=texts(accounts))
        subjects, versions = rng.choices(["grt_1", "hld_2", "hld_9"], k=3), rng.choices(range(9), k=3)
        await self._hear(writer, "related_events", accounts=accounts, subjects=subjects, versions=versions)
        await self._hear(writer, "receipts", accounts=accounts, receipts=rng.sample(RECEIPTS, 3))

    async def keep(self, _: Writer) -> None:
        """Snapshots, of this log and of none."""
        rng = self.rng
        account = rng.choice(ACCOUNTS)
        version, end = self.ends.get(account, (0, GENESIS))
        parameters = {
            "accounts": [account],
            "versions": [version],
            "topics": [rng.choice([SNAPSHOT_TOPIC, SNAPSHOT_TOPIC, "Account/0"])],
            "states": [rng.choice(SNAPSHOTS)],
            "hashes": [rng.choice([end, end, rng.randbytes(32)])],
        }
        async with self.log.connection() as connection:
            await connection.execute(SQL["save_snapshots"], parameters)

    async def _hear(self, writer: Writer, name: str, **parameters: Any) -> list[Any]:
        rows = await writer._rows(name, **parameters)
        self.heard.append((name, parameters, [(row._fields, *row) for row in rows]))
        return rows


def simulated(seed: int) -> list[Any]:
    """The script on the simulated database, with nothing going wrong."""
    loop = VirtualLoop()
    weather = Weather(random.Random(seed))
    weather.clear_up()
    server = Server(random.Random(seed), weather, lambda *_: None)

    async def play() -> list[Any]:
        return await Script(EventLog("dbname=p0"), seed).play()

    try:
        with driving(server, ["p0"]):
            return loop.run_until_complete(play())
    finally:
        loop.close()


async def real(conninfo: str, seed: int) -> list[Any]:
    """The script on PostgreSQL."""
    return await Script(EventLog(conninfo), seed).play()


@pytest.mark.parametrize("seed", range(3))
def test_the_simulated_database_answers_like_a_real_one(each_server: TestServer, seed: int) -> None:
    expected = simulated(seed)
    with each_server.database() as conninfo:
        for said, answered in zip(asyncio.run(real(conninfo, seed)), expected, strict=True):
            assert said == answered


def test_the_script_meets_every_answer() -> None:
    """What it never provokes, it does not compare."""
    heard = [answer for seed in range(3) for answer in simulated(seed)]
    appended = [answer for answer in heard if hasattr(answer, "stale")]
    assert any(answer.stale for answer in appended)
    assert any(answer.used for answer in appended)
    assert any(not answer.stale and not answer.used for answer in appended)
    for kind in (psycopg.errors.UniqueViolation, psycopg.errors.NotNullViolation, ZeroDivisionError):
        assert kind in heard
    for name in ("load", "load_at", "newest_events", "related_events", "receipts"):
        assert any(answer[2] for answer in heard if isinstance(answer, tuple) and answer[0] == name), name
    loaded = [row for answer in heard if isinstance(answer, tuple) and answer[0] == "load" for row in answer[2]]
    assert {row[-1] is None for row in loaded} == {True, False}
    assert {row[2] for row in loaded} == {True, False}
    assert {row[14] is None for row in loaded} == {True, False}
