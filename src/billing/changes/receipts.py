"""The changes that were asked for, in the database: their receipts, and those that are held until they are due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from billing.changes.refusals import KeyReused
from ledger.postgres.named_sql import queries
from ledger.store import EventLog

Operation = Literal["upgrade", "downgrade", "cancel", "reactivate"]
State = Literal["asked", "held", "sent", "dropped", "failed"]
_SQL = queries("billing", "sql/changes.sql")


@dataclass(frozen=True, slots=True)
class Held:
    """A change that is held until it is due."""

    subscription_id: str
    plan: str
    product: str
    quantity: int
    next_try_at: datetime


@dataclass(frozen=True, slots=True)
class AskedFor:
    """A wish as operators see it. `plan` is known of one that is, or was, held; `failure` of one that was given up."""

    operation: Operation
    subscription_id: str
    plan: str | None
    reason: str | None
    asked_by: str
    asked_at: datetime
    state: State
    failure: str | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A held change that is due, and that nobody else sends now."""

    number: int
    account_id: str
    subscription_id: str
    product: str
    plan: str
    quantity: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A change that was asked for under a key, with its answer as JSON. `held` is what is to be sent later."""

    account_id: str
    subscription_id: str
    operation: Operation
    key: str
    fingerprint: bytes
    answer: dict[str, Any]
    asked_by: str
    asked_at: datetime
    reason: str | None = None
    held: Held | None = None


class Receipts:
    """The table of changes. Every method raises psycopg.Error."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def find(self, account_id: str, operation: Operation, key: str, fingerprint: bytes) -> dict[str, Any] | None:
        """The answer that was given under a key; None if there is none. Raises KeyReused."""
        rows = await self._rows("find", account_id=account_id, operation=operation, key=key)
        if not rows:
            return None
        if bytes(rows[0]["fingerprint"]) != fingerprint:
            raise KeyReused(key)
        found: dict[str, Any] = rows[0]["answer"]
        return found

    async def last_other(
        self, account_id: str, subscription_id: str, operation: Operation, fingerprint: bytes
    ) -> int | None:
        """The number of the newest wish about a subscription that is another one; None if there is none."""
        wish = {"account_id": account_id, "subscription_id": subscription_id, "operation": operation}
        [row] = await self._rows("last_other", **wish, fingerprint=fingerprint)
        number: int | None = row["number"]
        return number

    async def put(self, receipt: Receipt) -> None:
        """Keep a receipt. What it holds takes the place of what was held for the subscription before."""
        held = receipt.held
        row = {
            "account_id": receipt.account_id,
            "subscription_id": receipt.subscription_id,
            "operation": receipt.operation,
            "key": receipt.key,
            "fingerprint": receipt.fingerprint,
            "answer": Jsonb(receipt.answer),
            "reason": receipt.reason,
            "asked_by": receipt.asked_by,
            "asked_at": receipt.asked_at,
            "state": "asked" if held is None else "held",
            "product": held and held.product,
            "plan": held and held.plan,
            "quantity": held and held.quantity,
            "next_try_at": held and held.next_try_at,
        }
        async with self._log.connection() as connection, connection.transaction():
            for statement in ("lock", "drop", "put"):
                await connection.execute(_SQL[statement], row)

    async def held(self, subscriptions: Sequence[str]) -> dict[str, Held]:
        """What is held for some subscriptions, by their ids."""
        if not subscriptions:
            return {}
        rows = await self._rows("held", subscriptions=list(subscriptions))
        return {row["subscription_id"]: Held(**row) for row in rows}

    async def asked_for(self, account_id: str, limit: int) -> list[AskedFor]:
        """The newest wishes about the subscriptions of an account, the newest first."""
        return [AskedFor(**row) for row in await self._rows("asked_for", account_id=account_id, limit=limit)]

    async def claim(self, now: datetime, again_at: datetime, limit: int) -> list[Claimed]:
        """Take held changes that are due. They are due again at `again_at` unless they are done by then."""
        return [Claimed(**row) for row in await self._rows("claim", now=now, again_at=again_at, limit=limit)]

    async def sent(self, number: int) -> None:
        """A held change was carried out."""
        await self._rows("done", number=number, state="sent", next_try_at=None, failure=None)

    async def dropped(self, number: int) -> None:
        """A held change is not wanted any more."""
        await self._rows("done", number=number, state="dropped", next_try_at=None, failure=None)

    async def failed(self, number: int, failure: str, next_try_at: datetime | None) -> None:
        """A held change was not carried out; without `next_try_at` it is given up."""
        state = "failed" if next_try_at is None else "held"
        await self._rows("done", number=number, state=state, next_try_at=next_try_at, failure=failure)

    async def erase(self, account_id: str) -> None:
        """Drop the reasons that were given."""
        await self._rows("erase", account_id=account_id)

    async def _rows(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        async with self._log.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_SQL[statement], parameters)
            return await cursor.fetchall() if cursor.description else []
