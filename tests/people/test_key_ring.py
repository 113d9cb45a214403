"""The keys that a process knows: never later than a second, never from before a change, and 100,000 in no time."""

import asyncio
import time
from datetime import timedelta

import psycopg
import pytest

from ledger.service import Ledger
from people.api_keys import ApiKey, create_key, list_keys, revoke_key
from people.errors import AccessRefused
from people.keys import ring
from people.keys.ring import UNKNOWN_FOR, KeyRing
from tests.conftest import Clock
from tests.keys import prefix_of
from tests.postgres import owner

MANY = 100_000
FILL = f"""
INSERT INTO people.api_keys (prefix, sha256, name, scopes, account_id, made_by)
SELECT lpad(n::text, 8, '0'), sha256(n::text::bytea), 'many', '{{own:read}}', 'a', 'a'
FROM generate_series(1, {MANY}) AS n
"""


def bearer(key: str) -> bytes:
    return f"Bearer {key}".encode()


async def known(keys: KeyRing, key: str) -> ApiKey | None:
    """The key, if it is taken now."""
    try:
        return await keys.authenticate(bearer(key))
    except AccessRefused as error:
        if error.code != "unauthenticated":
            raise
        return None


@pytest.fixture
def keys(ledger: Ledger, clock: Clock) -> KeyRing:
    return KeyRing(ledger.log, clock, "the admin's", None)


def looking_up(keys: KeyRing, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that the ring sends from now on."""
    sent: list[str] = []
    read = keys._rows

    async def told(name: str, parameters: dict[str, object]) -> list[dict[str, object]]:
        sent.append(name)
        return await read(name, parameters)

    monkeypatch.setattr(keys, "_rows", told)
    return sent


async def test_changes_are_seen_with_the_next_refresh(database: str, keys: KeyRing) -> None:
    first = create_key(database, "first", ["ledger:read"])
    await keys.refresh()
    assert await known(keys, first)
    assert await known(keys, "the admin's")
    later = create_key(database, "later", ["ledger:read"])
    assert await known(keys, later), "it is looked up at once"
    revoke_key(database, prefix_of(first))
    await keys.refresh()
    assert await known(keys, first) is None
    assert await known(keys, later)


async def test_what_is_not_there_is_looked_up_once(
    database: str, keys: KeyRing, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typing error never; another key not again for five seconds, unless it is made meanwhile."""
    await keys.refresh()
    sent = looking_up(keys, monkeypatch)
    key = create_key(database, "real", ["ledger:read"])
    mistyped = key[:-1] + ("a" if key[-1] != "a" else "b")
    assert await known(keys, mistyped) is None
    assert await keys.any_state(mistyped) is None
    assert sent == []
    for _ in range(30):
        assert await known(keys, "clk_00000000_" + "A" * 32) is None
        assert await keys.any_state("clk_00000000_" + "A" * 32) is None
    assert sent == ["find_key"]
    clock.now += UNKNOWN_FOR
    assert await known(keys, "clk_00000000_" + "A" * 32) is None
    assert sent == ["find_key"] * 2


async def test_look_ups_that_find_nothing_are_limited_and_others_are_not(database: str, keys: KeyRing) -> None:
    good = [create_key(database, "good", ["ledger:read"]) for _ in range(40)]
    assert all([await known(keys, key) for key in good])
    asked = [known(keys, f"unknown {number}") for number in range(40)]
    refused = {str(one) for one in await asyncio.gather(*asked, return_exceptions=True) if one is not None}
    assert refused == {"Too many requests with unknown API keys."}


async def test_a_look_up_never_brings_back_what_a_refresh_has_ended(
    database: str, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up has read the key; before it goes on, the key is revoked and a refresh is done."""
    await keys.refresh()
    key = create_key(database, "slow", ["ledger:read"])
    read = keys._rows

    async def slow(name: str, parameters: dict[str, object]) -> list[dict[str, object]]:
        rows = await read(name, parameters)
        if name == "find_key":
            revoke_key(database, prefix_of(key))
            await keys.refresh()
        return rows

    monkeypatch.setattr(keys, "_rows", slow)
    assert await known(keys, key) is None


async def test_no_change_is_missed_between_transactions(database: str, keys: KeyRing) -> None:
    """The one that got the smaller number commits first: the other waits for it."""
    one, other = (create_key(database, name, ["ledger:read"]) for name in ("one", "other"))
    await keys.refresh()
    with psycopg.connect(owner(database)) as first, psycopg.connect(owner(database), autocommit=True) as second:
        first.execute("SELECT people.revoke_key(%s)", [prefix_of(one)])
        second.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            second.execute("UPDATE people.api_keys SET name = 'changed' WHERE prefix = %s", [prefix_of(other)])
        await keys.refresh()
        assert await known(keys, one)
    await keys.refresh()
    assert await known(keys, one) is None


async def test_expiry_and_disabling_count_at_once_or_after_a_refresh(
    database: str, keys: KeyRing, clock: Clock
) -> None:
    key = create_key(database, "ends", ["ledger:read"], clock() + timedelta(minutes=1))
    assert await known(keys, key)
    with psycopg.connect(owner(database)) as connection:
        connection.execute("UPDATE people.api_keys SET disabled_at = now()")
    await keys.refresh()
    assert await known(keys, key) is None
    found = await keys.any_state(key)
    assert found is not None
    assert found.state(clock()) == "disabled"
    with psycopg.connect(owner(database)) as connection:
        connection.execute("UPDATE people.api_keys SET disabled_at = NULL")
    await keys.refresh()
    assert await known(keys, key)
    clock.now += timedelta(minutes=1)
    assert await known(keys, key) is None


async def test_keys_that_were_not_asked_for_are_forgotten_first(
    database: str, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "KEPT", 3)
    made = [create_key(database, f"key {number}", ["ledger:read"]) for number in range(8)]
    await keys.refresh()
    sent = looking_up(keys, monkeypatch)
    assert all([await known(keys, made[7]) for _ in range(20)])
    assert sent == []
    for key in made[:7]:
        assert await known(keys, key)
        assert await known(keys, made[7])
    assert sent == ["find_key"] * 7, "the one that is asked for again and again is never forgotten"
    assert len(keys._keys) + len(keys._older) <= 6
    assert {one.prefix for one in list_keys(database)} == {prefix_of(key) for key in made}


async def test_100_000_keys_are_refreshed_in_five_milliseconds(database: str, keys: KeyRing) -> None:
    with psycopg.connect(owner(database)) as connection:
        connection.execute(FILL.encode())
    await keys.refresh()
    key = create_key(database, "one more", ["ledger:read"])
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        await keys.refresh()
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.005, times
    assert await known(keys, key)
    assert await keys.any_state("1") is not None


async def test_the_own_rate_of_a_key_is_by_its_id(keys: KeyRing) -> None:
    """Rotated secrets share it, and other keys do not."""
    key = ApiKey("a", "a", frozenset(), "id", rate_per_minute=3)
    rotated = ApiKey("b", "a", frozenset(), "id", rate_per_minute=3)
    taken = [keys.take(one) for one in (key, rotated, key, rotated)]
    assert [one.admitted for one in taken if one] == [True, True, True, False]
    last = taken[-1]
    assert last is not None
    assert (last.limit, last.remaining) == (3, 0)
    assert 19 <= last.wait <= 20
    assert keys.take(ApiKey("c", "c", frozenset(), "other", rate_per_minute=3)) is not None
    assert keys.take(ApiKey("d", "d", frozenset(), "service")) is None


async def test_refreshes_that_cross_each_other_do_no_harm(database: str, keys: KeyRing) -> None:
    made = [create_key(database, f"{number}", ["ledger:read"]) for number in range(5)]
    await keys.refresh()
    for key in made:
        revoke_key(database, prefix_of(key))
        await asyncio.gather(*(keys.refresh() for _ in range(3)))
        assert await known(keys, key) is None
