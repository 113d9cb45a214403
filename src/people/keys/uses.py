"""Which keys were used, and from which networks, until a process writes it down: some seconds later, all at once.

The audit log tells the first use of a key (`key.first_used`), and a use from a network that it was not used from for
DAYS (`key.used_from_new_network`), until it was used from MOST_NETWORKS: a key of a program that moves is used from
everywhere, and one more network says nothing then. A network is a /24 of IPv4, or a /56 of IPv6.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from ledger.store import EventLog
from people.api_keys import SQL
from people.audit_log import AuditEntry, note
from people.sign_in.words import network_of

EVERY = 30.0
"""Seconds between two times of writing."""
DAYS = 90
MOST_NETWORKS = 20
"""Networks of one key, of the last DAYS, that are kept and told."""
KEPT = 20_000
"""Senders that are kept until they are written. Of further uses only the key is."""
_AT_ONCE = 100
"""Uses that one transaction writes: whoever changes a key meanwhile waits for it."""
_UNKNOWN = "unknown"

Sender = tuple[str, bytes]
"""The address from which a request came, and what its X-Forwarded-For says last."""
_log = logging.getLogger("credit_ledger.keys")


def by_address(sender: Sender) -> str:
    """The network of a sender where no proxy stands before the service."""
    return network_of(sender[0])


class KeyUses:
    """The uses of a process that are not written yet."""

    def __init__(
        self, log: EventLog, clock: Callable[[], datetime], network: Callable[[Sender], str] = by_address
    ) -> None:
        self._log = log
        self._clock = clock
        self._network = network
        self._used: set[tuple[str, Sender | None]] = set()

    def add(self, prefix: str, sender: Sender | None) -> None:
        """Keep that a secret was used, by whoever sent it; None where that says nothing of its holder."""
        self._used.add((prefix, sender if len(self._used) < KEPT else None))

    async def keep_written(self) -> None:
        """Write from time to time, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.write()
            except psycopg.Error as error:
                _log.warning("uses of API keys could not be written: %s", error)

    async def write(self) -> None:
        """Write down the uses since the last time. Raises psycopg.Error; then they are kept for the next time."""
        used, self._used = self._used, set()
        try:
            for uses in _parts(sorted({(prefix, self._source(sender)) for prefix, sender in used}, key=str)):
                await self._write(uses)
        except psycopg.Error:
            self._used |= used
            raise

    def _source(self, sender: Sender | None) -> str | None:
        network = _UNKNOWN if sender is None else self._network(sender)
        return None if network == _UNKNOWN else network

    async def _write(self, uses: list[tuple[str, str | None]]) -> None:
        now = self._clock()
        sides = {"prefixes": [prefix for prefix, _ in uses], "sources": [source for _, source in uses]}
        async with self._log.connection() as connection, connection.transaction():
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(SQL["note_key_uses"], {**sides, "at": now, "days": DAYS, "most": MOST_NETWORKS})
                told = await cursor.fetchall()
            await note(connection, now, *(_entry(row) for row in told))


def _parts(uses: list[tuple[str, str | None]]) -> Iterator[list[tuple[str, str | None]]]:
    for begin in range(0, len(uses), _AT_ONCE):
        yield uses[begin : begin + _AT_ONCE]


def _entry(row: dict[str, Any]) -> AuditEntry:
    """What the key did, in its own name."""
    key = f"key:{row['key_id']}"
    details = {name: row[name] for name in ("network", "networks") if row[name] is not None}
    return AuditEntry(row["action"], key, key, row["account_id"], details)
