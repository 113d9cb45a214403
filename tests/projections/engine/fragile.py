"""A connection that breaks at a random statement: before it was sent, after it, and on both sides of a COMMIT."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor, AsyncTransaction

LONGEST_LIFE = 80
"""Boundaries between statements; a page of all projections has about fifty."""


class FragileConnection(AsyncConnection[Any]):
    """Breaks after some statements. `breaks` says how often it has: once or not at all."""

    left = LONGEST_LIFE
    breaks = 0
    chance = random.Random(0)

    @classmethod
    async def fragile(cls, conninfo: str, chance: random.Random) -> "FragileConnection":
        """A connection with a random number of statements to live."""
        connection = await cls.connect(conninfo, autocommit=True, options="-c synchronous_commit=off")
        connection.chance, connection.left = chance, chance.randrange(LONGEST_LIFE)
        return connection

    async def execute(self, *args: Any, **kwargs: Any) -> AsyncCursor[Any]:
        await self._boundary()
        cursor = await super().execute(*args, **kwargs)
        await self._boundary()
        return cursor

    @asynccontextmanager
    async def transaction(self, *args: Any, **kwargs: Any) -> AsyncIterator[AsyncTransaction]:
        await self._boundary()
        async with super().transaction(*args, **kwargs) as transaction:
            yield transaction
            await self._boundary()
            if self.chance.random() < 0.02:
                await self._commit_and_break()
        await self._boundary()

    async def _boundary(self) -> None:
        self.left -= 1
        if self.left < 0:
            await self._break()

    async def _commit_and_break(self) -> None:
        """The server gets the COMMIT, and may be at it while somebody else goes on; its answer reaches nobody."""
        self.pgconn.send_query(b"COMMIT")
        self.pgconn.flush()
        await self._break()

    async def _break(self) -> None:
        self.breaks = 1
        await self.close()
        raise psycopg.OperationalError("the test has cut the connection")
