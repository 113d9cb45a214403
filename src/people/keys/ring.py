"""The keys that a process knows, by the SHA-256 of their text.

It reads what changed every REFRESH seconds, so a revoked key works that much longer, in every process: less than a
second, with the time that reading takes. A key that it does not know is looked up in the database at once. A rate
limits the look-ups that find nothing, to slow down a guesser; what was not found is not looked for again for some
seconds, unless it is made meanwhile.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
from psycopg.rows import dict_row

from ledger.store import EventLog
from people.api_keys import SCOPES, SQL, ApiKey, bearer_of, key_hash, key_of
from people.errors import AccessRefused
from people.keys.uses import KeyUses, Sender
from people.rate_limits import Allowance, RateLimits, seconds
from people.secret_format import is_mistyped

REFRESH = 0.4
KEPT = 100_000
"""Keys that a process knows at least, those that it saw last; at most twice as many."""
UNKNOWN_FOR = timedelta(seconds=5)
_UNKNOWN_KEPT = 10_000
_AT_ONCE = 10_000
"""Changed keys that one statement reads."""
_UNKNOWN_PER_SECOND = 20

_log = logging.getLogger("credit_ledger.keys")


class KeyRing:
    """The keys that a process has in memory, and how often they may be used."""

    def __init__(
        self,
        log: EventLog,
        clock: Callable[[], datetime],
        admin_key: str | None,
        rates: RateLimits | None,
        rates_per_minute: RateLimits | None = None,
        uses: KeyUses | None = None,
    ) -> None:
        self._log = log
        self._clock = clock
        self._keys: dict[bytes, ApiKey] = {}
        self._older: dict[bytes, ApiKey] = {}
        """Keys that were not asked for since `_keys` began: they are forgotten together."""
        self._seen: int | None = None
        """The number of the last change that was read; None before the first."""
        self._changes: dict[bytes, int] = {}
        self._of_settings = ApiKey("admin", "CREDIT_LEDGER_ADMIN_KEY", frozenset(SCOPES), "admin")
        self._admin = {key_hash(admin_key): self._of_settings} if admin_key else {}
        self.rates = rates
        """How many commands a second each key may send; None when there is no limit."""
        self._rates_per_minute = rates_per_minute or RateLimits(1, window=60)
        self._unknown = RateLimits(_UNKNOWN_PER_SECOND)
        self._unknown_until: dict[bytes, datetime] = {}
        self.uses = uses or KeyUses(log, clock)
        """Which keys were used, until it is written down."""

    async def authenticate(self, authorization: bytes | None, sender: Sender | None = None) -> ApiKey:
        """The key in an Authorization header, which `sender` uses. Raises AccessRefused: unauthenticated, unavailable,
        or rate_limited when too many keys are unknown."""
        secret = bearer_of(authorization)
        if secret is None:
            raise AccessRefused("unauthenticated", "Send an API key as 'Authorization: Bearer <key>'.")
        digest = sha256(secret).digest()
        key = self._keys.get(digest) or await self._find(digest, secret)
        if key is None or not (key.lasts or key.usable(self._clock())):
            raise AccessRefused("unauthenticated", "The API key is unknown, expired or revoked.")
        if key is not self._of_settings:
            self.uses.add(key.prefix, sender)
        return key

    async def by_digest(self, digest: bytes) -> ApiKey | None:
        """The key with a SHA-256, if it is usable now. Raises AccessRefused: rate_limited or unavailable."""
        key = self._keys.get(digest) or await self._find(digest)
        return key if key is not None and key.usable(self._clock()) else None

    async def any_state(self, text: str) -> ApiKey | None:
        """The key with a text, whether it is usable or not, for a service that verifies it, whose own rate counts. It
        is used now, if it is usable. Raises AccessRefused: unavailable."""
        secret = text.encode()
        digest = sha256(secret).digest()
        key = self._known(digest)
        if key is None and not is_mistyped(text) and not self._is_unknown(digest):
            key = await self._read(digest)
        if key is not None and key.usable(self._clock()):
            self.uses.add(key.prefix, None)
        return key

    async def reported(self, text: str) -> ApiKey | None:
        """The key with a text that anybody may have sent. Raises AccessRefused: rate_limited or unavailable."""
        secret = text.encode()
        return await self._find(sha256(secret).digest(), secret)

    def still_allows(self, digest: bytes, scope: str) -> bool:
        """Whether the key with a SHA-256 is still usable, as far as this process knows. It counts no request."""
        key = self._known(digest)
        return key is not None and key.usable(self._clock()) and key.allows(scope)

    def now(self) -> datetime:
        """The time of the ledger, in UTC."""
        return self._clock().astimezone(UTC)

    def take(self, key: ApiKey) -> Allowance | None:
        """Count a use of a key by its own rate, over all workers; None if it has none."""
        if key.rate_per_minute is None:
            return None
        return self._rates_per_minute.take(f"minute:{key.key_id}", limit=key.rate_per_minute)

    def _known(self, digest: bytes) -> ApiKey | None:
        key = self._keys.get(digest)
        if key is None and (key := self._older.pop(digest, None)) is not None:
            self._keep(digest, key)
        return key

    def _keep(self, digest: bytes, key: ApiKey) -> None:
        if len(self._keys) >= KEPT and digest not in self._keys:
            self._keys, self._older = {}, self._keys
            self._changes = {one: self._changes[one] for one in self._older if one in self._changes}
        self._keys[digest] = key

    async def _find(self, digest: bytes, secret: bytes | None = None) -> ApiKey | None:
        """A key that is not among those of last: one of before, that of the settings, or one of the database."""
        known = self._known(digest)
        if known is not None:
            return known
        if digest in self._admin:
            self._keep(digest, self._admin[digest])
            return self._admin[digest]
        if secret is not None and is_mistyped(secret.decode("latin-1")):
            return None
        return None if self._is_unknown(digest) else await self._look_up(digest)

    def _is_unknown(self, digest: bytes) -> bool:
        until = self._unknown_until.get(digest)
        return until is not None and self._clock() < until

    async def _look_up(self, digest: bytes) -> ApiKey | None:
        allowance = self._unknown.take("unknown")
        if not allowance.admitted:
            raise AccessRefused(
                "rate_limited",
                "Too many requests with unknown API keys.",
                retry_after=max(1, seconds(allowance.wait)),
                limit=_UNKNOWN_PER_SECOND,
            )
        found = await self._read(digest)
        if found is not None:
            self._unknown.give_back("unknown")
        return found

    async def _read(self, digest: bytes) -> ApiKey | None:
        try:
            rows = await self._rows("find_key", {"sha256": digest})
        except psycopg.Error as error:
            raise AccessRefused(
                "unavailable", "The database cannot be reached to check the API key.", retry_after=1
            ) from error
        self._learn(rows)
        if not rows:
            self._note_unknown(digest)
        return self._known(digest)

    def _note_unknown(self, digest: bytes) -> None:
        if len(self._unknown_until) >= _UNKNOWN_KEPT:
            self._unknown_until.clear()
        self._unknown_until[digest] = self._clock() + UNKNOWN_FOR

    def _learn(self, rows: list[dict[str, Any]]) -> None:
        """Keep what rows say, unless something later was read meanwhile."""
        for row in rows:
            digest = bytes(row["sha256"])
            if row["changed"] >= self._changes.get(digest, 0):
                self._older.pop(digest, None)
                self._keep(digest, key_of(row))
                self._changes[digest] = row["changed"]

    async def _rows(self, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        async with self._log.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(SQL[name], parameters)
            return await cursor.fetchall()

    async def refresh(self) -> None:
        """Read the keys that changed since the last time; at first those that changed last."""
        if self._seen is None:
            rows = await self._rows("newest_keys", {"limit": KEPT})
            self._learn(rows[::-1])
            self._seen = rows[0]["changed"] if rows else 0
            return
        rows = [{}] * _AT_ONCE
        while len(rows) == _AT_ONCE:
            rows = await self._rows("changed_keys", {"seen": self._seen, "limit": _AT_ONCE})
            self._learn(rows)
            self._seen = rows[-1]["changed"] if rows else self._seen

    async def keep_fresh(self) -> None:
        """Refresh the keys until cancelled."""
        while True:
            await asyncio.sleep(REFRESH)
            try:
                await self.refresh()
            except psycopg.Error as error:
                _log.warning("API keys could not be read: %s", error)
