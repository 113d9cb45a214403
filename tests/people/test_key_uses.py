"""Uses of keys: the last one of each is written down, and the audit log tells the first one, and few new networks."""

import asyncio
from datetime import timedelta
from ipaddress import ip_network

import psycopg
import pytest

from api.http.people.origins import network_behind
from ledger.service import Ledger
from people import audit_log
from people.audit_log import NEWEST, AuditFilters
from people.keys import uses
from people.keys.issuing import Holder, Issued, Keys, Wanted
from people.keys.ring import KeyRing
from people.keys.uses import DAYS, MOST_NETWORKS, KeyUses, Sender
from tests.conftest import Clock
from tests.postgres import owner

ADA = Holder("usr_ada", "usr_ada")
WANTED = Wanted("mine", ["read"])
HOME: Sender = ("192.0.2.7", b"")
AWAY: Sender = ("198.51.100.1", b"")
FIRST, NEW = "key.first_used", "key.used_from_new_network"


def bearer(made: Issued) -> bytes:
    return f"Bearer {made.secret}".encode()


@pytest.fixture
def keys(ledger: Ledger, clock: Clock) -> Keys:
    return Keys(ledger.log, clock, "clu")


def process(ledger: Ledger, clock: Clock) -> KeyRing:
    return KeyRing(ledger.log, clock, "the admin's", None)


async def told(ledger: Ledger) -> list[tuple[str, dict[str, object]]]:
    """What the audit log tells of uses, with its details, in its order."""
    async with ledger.log.connection() as connection:
        found = await audit_log.page(connection, AuditFilters("usr_ada"), NEWEST, 1_000)
    used = [one for one in reversed(found) if "used" in one.action]
    assert all(one.actor == one.subject for one in used)
    return [(one.action, dict(one.details or {})) for one in used]


def networks(database: str) -> set[str]:
    with psycopg.connect(owner(database)) as connection:
        return {row[0] for row in connection.execute("SELECT network FROM people.key_networks")}


async def test_the_first_use_is_told_once(keys: Keys, ledger: Ledger, clock: Clock) -> None:
    """Whichever process and whichever secret comes first; the key of the settings is in no table."""
    made = await keys.make(ADA, WANTED)
    rotated = await keys.rotate(ADA, made.key.key_id, timedelta(days=1))
    processes = [process(ledger, clock) for _ in range(4)]
    for number, ring in enumerate(processes):
        assert await ring.any_state((made, rotated)[number % 2].secret) is not None
        await ring.authenticate(b"Bearer the admin's", HOME)
    assert await told(ledger) == [], "nothing is written while requests are answered"
    await asyncio.gather(*(ring.uses.write() for ring in processes))
    assert await told(ledger) == [(FIRST, {})]
    [listed] = await keys.listed("usr_ada")
    assert listed.last_used_at == clock()
    clock.forward(seconds=30)
    await processes[0].authenticate(bearer(rotated), HOME)
    await processes[0].uses.write()
    assert await told(ledger) == [(FIRST, {})], "its first network is no news: verifications tell none"
    assert (await keys.listed("usr_ada"))[0].last_used_at == clock()


async def test_a_network_is_told_when_it_is_new(keys: Keys, ledger: Ledger, clock: Clock, database: str) -> None:
    made, ring = await keys.make(ADA, WANTED), process(ledger, clock)

    async def used_from(*senders: Sender) -> None:
        for sender in senders:
            await ring.authenticate(bearer(made), sender)
        await ring.uses.write()

    home, away = {"network": "192.0.2.0/24"}, {"network": "198.51.100.0/24", "networks": 2}
    await used_from(HOME, ("192.0.2.200", b""), ("", b""))
    assert await told(ledger) == [(FIRST, home)]
    await used_from(AWAY, HOME)
    assert await told(ledger) == [(FIRST, home), (NEW, away)]
    for _ in range(3):
        clock.forward(days=DAYS - 1)
        await used_from(HOME, AWAY)
    clock.forward(days=DAYS - 1)
    await used_from(HOME)
    clock.forward(days=1)
    await used_from(AWAY, ("2001:db8:0:7::1", b""))
    assert await told(ledger) == [
        (FIRST, home), (NEW, away), (NEW, away), (NEW, {"network": "2001:db8::/56", "networks": 3}),
    ]  # fmt: skip
    assert networks(database) == {"192.0.2.0/24", "198.51.100.0/24", "2001:db8::/56"}
    await ring.authenticate(bearer(made), ("203.0.113.9", b""))
    await keys.revoke(ADA, made.key.key_id)
    assert networks(database) == set()
    await ring.uses.write()
    assert networks(database) == set(), "a use from before the revocation that is written late"
    assert len(await told(ledger)) == 4


async def test_a_key_that_is_used_everywhere_is_told_of_no_more(
    keys: Keys, ledger: Ledger, clock: Clock, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in the table nor in the log is there more than the documented number, in however many transactions."""
    monkeypatch.setattr(uses, "_AT_ONCE", 7)
    made, processes = await keys.make(ADA, WANTED), [process(ledger, clock) for _ in range(2)]
    for number in range(3 * MOST_NETWORKS):
        await processes[number % 2].authenticate(bearer(made), (f"10.0.{number}.1", b""))
    await asyncio.gather(*(ring.uses.write() for ring in processes))
    found = await told(ledger)
    assert [action for action, _ in found] == [FIRST] + [NEW] * (MOST_NETWORKS - 1)
    assert [details["networks"] for _, details in found[1:]] == list(range(2, MOST_NETWORKS + 1))
    assert len(networks(database)) == MOST_NETWORKS
    clock.forward(days=DAYS)
    await processes[0].authenticate(bearer(made), AWAY)
    await processes[0].uses.write()
    assert (await told(ledger))[-1] == (NEW, {"network": "198.51.100.0/24", "networks": 1})
    assert networks(database) == {"198.51.100.0/24"}


async def test_what_could_not_be_written_is_written_later(
    keys: Keys, ledger: Ledger, clock: Clock, database: str
) -> None:
    made, ring = await keys.make(ADA, WANTED), process(ledger, clock)
    await ring.authenticate(bearer(made), HOME)
    with psycopg.connect(owner(database), autocommit=True) as connection:
        connection.execute("ALTER FUNCTION people.note_key_uses RENAME TO away")
        with pytest.raises(psycopg.errors.UndefinedFunction):
            await ring.uses.write()
        connection.execute("ALTER FUNCTION people.away RENAME TO note_key_uses")
    await ring.uses.write()
    assert [action for action, _ in await told(ledger)] == [FIRST]


async def test_senders_are_kept_in_bounds(ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uses, "KEPT", 3)
    kept = KeyUses(ledger.log, clock)
    for number in range(9):
        kept.add("a", (f"10.0.{number}.1", b""))
    assert len(kept._used) == 4
    await kept.write()  # there is no such key


def test_proxies_tell_where_a_key_is_used() -> None:
    proxies = (ip_network("10.0.0.0/8"),)
    for told_by, address, network in (
        (b"203.0.113.9", "10.1.1.1", "203.0.113.0/24"),
        (b"6.6.6.6, 203.0.113.9, 10.2.2.2", "10.1.1.1", "203.0.113.0/24"),
        (b"203.0.113.9", "198.51.100.1", "198.51.100.0/24"),
        (b"", "10.1.1.1", "10.1.1.0/24"),
        (b"\xff", "10.1.1.1", "unknown"),
    ):
        assert network_behind(proxies, (address, told_by)) == network
