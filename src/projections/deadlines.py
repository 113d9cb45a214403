"""Deadlines: which accounts time is about to change. The sweeper asks; nothing that is answered depends on it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from ledger.events import CreditsGranted, CreditsHeld, Event, HoldExtended
from ledger.queries import queries
from ledger.service import Ledger

PAGE = 5_000
"""Positions that one step reads."""
PAUSE = 0.01
"""Seconds between two steps: whoever is far behind catches up without taking the machine from those who serve."""
_TYPES = [kind.__name__ for kind in (CreditsGranted, CreditsHeld, HoldExtended)]
_SQL = queries("projections", "deadlines.sql")


class Deadlines:
    """The projection, over a connection of its own in autocommit."""

    def __init__(self, ledger: Ledger, connection: AsyncConnection[Any]) -> None:
        self._ledger = ledger
        self._connection = connection
        self._leads = False

    async def lead(self) -> bool:
        """Whether this connection keeps the deadlines. One does; the others may take over when it ends."""
        self._leads = self._leads or bool((await self._one("lead"))[0])
        return self._leads

    async def follow(self) -> None:
        """Read the log to its end, a page at a time; rows and checkpoint are one transaction."""
        position = int((await self._one("checkpoint"))[0])
        end = await self._ledger.last_position()
        while position < end:
            upto = min(position + PAGE, end)
            page = await self._ledger.follow(position, upto, PAGE, _TYPES)
            found = [(item.account_id, at) for item in page if (at := _deadline(item.event)) is not None]
            async with self._connection.transaction():
                accounts, times = [account for account, _ in found], [at for _, at in found]
                await self._connection.execute(_SQL["add"], {"accounts": accounts, "times": times})
                await self._connection.execute(_SQL["advance"], {"position": upto})
            position = upto
            await asyncio.sleep(PAUSE)

    async def due(self, now: datetime, limit: int) -> list[str]:
        """Accounts with a deadline that has passed, the longest overdue first."""
        cursor = await self._connection.execute(_SQL["due"], {"now": now, "limit": limit})
        return [account for (account,) in await cursor.fetchall()]

    async def done(self, accounts: Sequence[str], now: datetime) -> None:
        """Forget the deadlines of some accounts up to `now`: what was due is recorded."""
        await self._connection.execute(_SQL["done"], {"accounts": list(accounts), "now": now})

    async def _one(self, name: str) -> Any:
        cursor = await self._connection.execute(_SQL[name])
        return await cursor.fetchone()


def _deadline(event: Event) -> datetime | None:
    return event.expires_at if isinstance(event, CreditsGranted | CreditsHeld | HoldExtended) else None
