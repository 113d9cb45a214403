"""The watch: the check that a running service does by itself, for ever, at a low rate.

It walks through the accounts in the order of their ids, keeps its place in the database, and rests twenty times as long
as it works. What it finds stays in projections.drift until a later look finds it mended. One process of all watches.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from ledger.postgres.arrays import bigints, texts
from projections.checks.check import EVENTS, Checked, check_accounts, check_totals
from projections.checks.refold import SQL, Connection, connect
from projections.checks.roster import next_accounts

PIECE = 20
"""Accounts that are compared together."""
SEEN_AGAIN = 5
"""Accounts known to be wrong that are looked at beside each piece."""
RESTS = 20
"""Times as long as it works that it rests."""
LEAST_REST = 1.0
SAID = 3
"""Differences that are told of one account and projection."""
LISTED = 100
_RETRY = 5.0
_STANDBY = 1.0
_log = logging.getLogger("credit_ledger.check")


class Place(NamedTuple):
    """How far the walk has come: after which account, how many were looked at, and how often it came to the end."""

    account_id: str = ""
    checked: int = 0
    rounds: int = 0


class Drift(NamedTuple):
    """What the watch has to say: accounts (none: all of them together) with the projection that is wrong; its work."""

    wrong: list[tuple[str, str]]
    place: Place


class Watch:
    """Checks until cancelled, on a connection of its own."""

    def __init__(self, conninfo: str, *, piece: int = PIECE, least_rest: float = LEAST_REST) -> None:
        self._conninfo = conninfo
        self._piece = piece
        self._least_rest = least_rest
        self._unchecked: dict[str, str] = {}

    async def run(self) -> None:
        """Watch until cancelled; a lost database is waited for, and so is one that does not let us check."""
        while True:
            try:
                async with await connect(self._conninfo) as connection:
                    await self._walk(connection)
            except psycopg.Error as error:
                _log.warning("the check waits for the database: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(_RETRY)

    async def _walk(self, connection: Connection) -> None:
        while not await _leads(connection):  # noqa: ASYNC110  # a lock waited for holds up vacuum
            await asyncio.sleep(_STANDBY)
        while True:
            began = time.monotonic()
            await self.turn(connection)
            await asyncio.sleep(rest_after(time.monotonic() - began, self._least_rest))

    async def turn(self, connection: Connection) -> None:
        """Check the next accounts, or all accounts together at the end of a round. Raises psycopg.Error."""
        place = (await drift(connection)).place
        accounts = await next_accounts(connection, place.account_id, self._piece)
        await self._look(connection, accounts)
        if not accounts:
            await self._note(connection, [""], await check_totals(connection))
        moved = Place(accounts[-1], len(accounts), 0) if accounts else Place("", 0, 1)
        await connection.execute(SQL["move"], moved._asdict())

    async def _look(self, connection: Connection, accounts: Sequence[str]) -> None:
        cursor = await connection.execute(SQL["to_see_again"], {"limit": SEEN_AGAIN})
        wrong = [account_id for (account_id,) in await cursor.fetchall()]
        looked_at = list(dict.fromkeys([*accounts, *wrong]))
        if looked_at:
            await self._note(connection, looked_at, await check_accounts(connection, looked_at))

    async def _note(self, connection: Connection, accounts: Sequence[str], checked: Checked) -> None:
        """Keep what was found, and say what is new of it."""
        found = _by_account_and_projection(checked)
        not_compared = {one.account_id for one in checked.differences if one.table == EVENTS}
        compared = [account_id for account_id in accounts if account_id not in not_compared]
        named = {
            "accounts": texts([account_id for account_id, _ in found]),
            "projections": texts([projection for _, projection in found]),
        }
        async with connection.transaction():
            forget = {"accounts": compared, "projections": list(checked.positions)}
            await connection.execute(SQL["forget"], {**forget, "wrong": named["accounts"], "of": named["projections"]})
            details = texts(list(found.values()))
            positions = bigints([checked.positions.get(projection, 0) for _, projection in found])
            cursor = await connection.execute(SQL["remember"], {**named, "positions": positions, "details": details})
            noted = await cursor.fetchall()
        for new, projection, position, detail in noted:
            if new:
                _log.error("projection %s has drifted at position %d: %s", projection, position, detail)
        self._say_unchecked(checked.unchecked)

    def _say_unchecked(self, unchecked: dict[str, str]) -> None:
        for name, why in unchecked.items():
            if self._unchecked.get(name) != why:
                _log.warning("%s cannot be checked: %s", name, why)
        self._unchecked = unchecked


def rest_after(worked: float, least: float = LEAST_REST) -> float:
    """Seconds to rest after so many seconds of work."""
    return max(least, RESTS * worked)


async def drift(connection: Connection) -> Drift:
    """What the watch has found until now, at most LISTED of it."""
    wrong = await (await connection.execute(SQL["drift"], {"limit": LISTED})).fetchall()
    place = await (await connection.execute(SQL["place"])).fetchone()
    return Drift([(account_id, projection) for account_id, projection in wrong], Place(*place) if place else Place())


async def _leads(connection: Connection) -> bool:
    row = await (await connection.execute(SQL["lead_check"])).fetchone()
    return bool(row and row[0])


def _by_account_and_projection(checked: Checked) -> dict[tuple[str, str], str]:
    """What is told of each: the first differences in words."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for one in checked.differences:
        found[one.account_id, one.projection].append(one.words)
    return {
        key: "; ".join(words[:SAID])[:2_000] + (f"; and {len(words) - SAID} more" if len(words) > SAID else "")
        for key, words in found.items()
    }
