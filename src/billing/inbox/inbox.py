"""The inbox in the database: deliveries are put down, listed, and given back to the biller by operators.

A delivery that was put down is committed. What becomes of it is the biller's affair (biller.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from billing.facts import account_thing
from billing.inbox.sealing import Seal
from billing.inbox.webhook import Arrival, PutDown, State, Webhook
from ledger.postgres.named_sql import queries
from ledger.store import EventLog

Connection = AsyncConnection[Any]
NEWEST = 2**63 - 1
"""A number above that of every webhook."""
_SQL = queries("billing", "sql/inbox.sql")


@dataclass(frozen=True, slots=True)
class WaitingCount:
    """How many webhooks wait for a reason, and when the oldest of them arrived."""

    reason: str
    count: int
    oldest: datetime


class Inbox:
    """The webhooks of a ledger. Every method raises psycopg.Error."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._seal: Seal | None = None
        self._manual_key: bytes | None = None

    async def read_key(self) -> None:
        """Read the keys of the inbox and of our own provider, before anything is put down."""
        keys = {row["name"]: bytes(row["value"]) for row in await self._rows("keys")}
        self._seal, self._manual_key = Seal(keys["webhooks"]), keys["manual"]

    @property
    def seal(self) -> Seal:
        """What seals and opens bodies, once the key has been read."""
        assert self._seal is not None, "the key is read when the service starts"
        return self._seal

    @property
    def manual_key(self) -> bytes:
        """What signs the deliveries of our own provider, once the keys have been read."""
        assert self._manual_key is not None, "the keys are read when the service starts"
        return self._manual_key

    async def put_down(self, arrival: Arrival) -> PutDown:
        """Keep a delivery, unless it is here already. It is committed when this returns."""
        async with self._log.connection() as connection:
            return await self.put_down_on(connection, arrival)

    async def put_down_on(self, connection: Connection, arrival: Arrival) -> PutDown:
        """The same as a part of the transaction of a connection, if it is in one."""
        delivery, name = arrival.delivery, arrival.webhook_id
        rows = await _on(
            connection,
            "put_down",
            webhook_id=name,
            provider=delivery.provider,
            delivery_id=delivery.delivery_id,
            sha256=bytes.fromhex(delivery.sha256),
            received_at=arrival.received_at,
            type=delivery.type,
            live=delivery.live,
            body=self.seal.close(name, delivery.body),
            headers=self.seal.close(name, orjson.dumps(arrival.headers)),
        )
        if rows:
            return PutDown(name, rows[0]["state"], duplicate=False)
        [found] = await _on(connection, "state_of", webhook_id=name)
        return PutDown(name, found["state"], duplicate=True)

    async def find(self, webhook_id: str) -> Webhook | None:
        """A webhook."""
        rows = await self._rows("find", webhook_id=webhook_id)
        return Webhook(**rows[0]) if rows else None

    async def body(self, webhook_id: str) -> bytes | None:
        """The body of a webhook; None when there is none, or none any more."""
        rows = await self._rows("body", webhook_id=webhook_id)
        sealed = rows[0]["body"] if rows else None
        return None if sealed is None else self.seal.open(webhook_id, bytes(sealed))

    async def page(
        self, state: State | None = None, provider: str | None = None, *, before: int = NEWEST, limit: int = 50
    ) -> list[Webhook]:
        """A page of webhooks with numbers below `before`, the newest first."""
        rows = await self._rows("page", state=state, provider=provider, before=before, limit=limit)
        return [Webhook(**row) for row in rows]

    async def retry(self, webhook_id: str, actor: str, now: datetime) -> bool:
        """Let a webhook be tried again at once; False when there is none that is not applied."""
        return bool(await self._rows("retry", webhook_id=webhook_id, actor=actor, now=now))

    async def match(self, webhook_id: str, account_id: str, actor: str, now: datetime) -> bool:
        """Say whose the payments and subscriptions of a webhook are, and let it and what waits for them be tried again.

        False when there is no such webhook that is not applied.
        """
        found = await self._rows("retry", webhook_id=webhook_id, actor=actor, now=now)
        if not found:
            return False
        names: Sequence[str] = found[0]["about"] or found[0]["things"]
        await self._rows("link", things=names, belongs_to=account_thing(account_id), actor=actor)
        await self._rows("wake", names=names, now=now)
        return True

    async def dismiss(self, webhook_id: str, detail: str | None, actor: str, now: datetime) -> bool:
        """Give a webhook up; False when there is none that is not applied."""
        return bool(await self._rows("dismiss", webhook_id=webhook_id, detail=detail, actor=actor, now=now))

    async def waiting(self) -> list[WaitingCount]:
        """How many webhooks wait, by their reasons."""
        return [WaitingCount(**row) for row in await self._rows("waiting")]

    async def erase(self, account_id: str) -> None:
        """Drop the bodies of the deliveries about an account."""
        await self._rows("erase", account_id=account_id)

    async def _rows(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        async with self._log.connection() as connection:
            return await _on(connection, statement, **parameters)


async def _on(connection: Connection, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL[statement], parameters)
        return await cursor.fetchall() if cursor.description else []
