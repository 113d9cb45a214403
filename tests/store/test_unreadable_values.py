"""Events with values that the ledger never writes, chained as if it had: they stop nobody else, and no caller waits."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from ledger.commit.submission import Recorded
from ledger.domain.commands import PlaceHold
from ledger.service import Ledger
from ledger.store.batch import Row
from ledger.store.records.chain import UnreadableEvent
from ledger.store.records.codec import decode, encode
from tests.store.asking import balance, deduct, open_account, submission
from tests.store.chaining import append
from tests.store.samples import METADATA, SAMPLES

PATIENCE = 30


def changed(path: str, value: object) -> bytes:
    """The bytes of a grant with another value."""
    state: Any = orjson.loads(encode(SAMPLES["CreditsGranted"], METADATA)[1])
    part: Any = state
    *above, name = path.split(".")
    for one in above:
        part = part[one]
    part[name] = value
    return orjson.dumps(state, option=orjson.OPT_SORT_KEYS)


WRONG: dict[str, list[Any]] = {
    "recorded_at": ["2026-11-29T12:00:00", "2026-11-29", "9999-12-31T23:59:59-14:00", 5, None],
    "data.amount": ["5", 1.5, True, [1], None, 2**53],
    "data.balance.held": ["0", 0.0, None, 2**63],
    "data.balance": [[], 5],
    "data.expires_at": ["2026-11-29T12:00:00", 7],
    "data.grant_id": [7, None, ["grt_2"]],
    "data.kind": ["bogus", 5, None, {}],
    "data.source": ["bogus", 5],
    "data.description": [5, {}],
    "data.metadata": [5, []],
    "data.surprise": [1],
    "metadata.request_id": [5, ["r"]],
    "metadata.idempotency_key": [5],
    "schema": ["1", 0, 2],
}


@pytest.mark.parametrize("path", WRONG)
def test_a_value_of_another_type_is_not_decoded(path: str) -> None:
    for value in WRONG[path]:
        with pytest.raises((TypeError, ValueError, KeyError, AttributeError, OverflowError)):
            decode("CreditsGranted", changed(path, value))


@pytest.fixture
async def ledger(database: str) -> AsyncIterator[Ledger]:
    async with Ledger(database).running() as running:
        for account in "ab":
            await open_account(running, account, permanent=100)
        yield running


async def appended(ledger: Ledger, recorded_at: str) -> None:
    """An event of account a, recorded at another time."""
    writer, _ = await ledger.log.connect_writer(None)
    try:
        state = changed("recorded_at", recorded_at)
        await append(writer, [Row("a", 3, "CreditsGranted", state, None, None, None, None)])
    finally:
        await writer.close()


async def test_whoever_asks_for_what_cannot_be_read_is_told(ledger: Ledger) -> None:
    await appended(ledger, "2026-11-29T12:00:00")
    ledger.cache.remove("a")
    async with asyncio.timeout(PATIENCE):
        for n in range(2):
            with pytest.raises(UnreadableEvent, match="has no offset"):
                await deduct(ledger, "a", 1, f"{n}")
        with pytest.raises(UnreadableEvent):
            await ledger.account_at("a")
    assert ledger.waiting == 0
    assert isinstance(await deduct(ledger, "b", 1, "b"), Recorded)
    assert await balance(ledger, "b") == 99


async def test_whoever_asks_for_what_cannot_be_decided_is_told(ledger: Ledger) -> None:
    """After the last moment of the calendar there is none at which a hold could end."""
    await appended(ledger, datetime.max.replace(tzinfo=UTC).isoformat())
    ledger.cache.remove("a")
    async with asyncio.timeout(PATIENCE):
        for n in range(2):
            with pytest.raises(OverflowError):
                await ledger.execute(submission(PlaceHold("a", 1), "hold", f"{n}"))
    assert ledger.waiting == 0
    assert isinstance(await deduct(ledger, "b", 1, "b"), Recorded)
