"""The standing check: a running service checks its projections continuously, at a low rate.

It goes through the accounts in the order of their ids, stores in the database how far it is, and pauses twenty times as
long as it works. A difference stays in projections.drift until a later check finds that it is gone. Only one process
does the check.
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
"""The number of accounts that are compared together."""
RECHECKED = 5
"""The number of accounts with known differences that are checked again with each piece."""
PAUSE_FACTOR = 20
"""The check pauses this many times as long as it works."""
SHORTEST_PAUSE = 1.0
DESCRIBED = 3
"""The largest number of differences that are described for an account and projection."""
LISTED = 100
_RETRY = 5.0
_STANDBY = 1.0
_log = logging.getLogger("credit_ledger.check")


class Place(NamedTuple):
    """How far the check is: the last account, the number of accounts checked, and the number of complete rounds."""

    account_id: str = ""
    checked: int = 0
    rounds: int = 0


class Drift(NamedTuple):
    """The drift that was found, as (account, projection), without an account for all; and how far the check is."""

    wrong: list[tuple[str, str]]
    place: Place


class Watch:
    """Runs the standing check on its own connection."""

    def __init__(self, conninfo: str, *, piece: int = PIECE, shortest_pause: float = SHORTEST_PAUSE) -> None:
        self._conninfo = conninfo
        self._piece = piece
        self._shortest_pause = shortest_pause
        self._unchecked: dict[str, str] = {}

    async def run(self) -> None:
        """Check until cancelled. It waits for a lost database, and for one that does not allow the check."""
        while True:
            try:
                async with await connect(self._conninfo) as connection:
                    await self._check_continuously(connection)
            except psycopg.Error as error:
                _log.warning("the check waits for the database: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(_RETRY)

    async def _check_continuously(self, connection: Connection) -> None:
        while not await _leads(connection):  # noqa: ASYNC110  # waiting for the lock would hold up vacuum
            await asyncio.sleep(_STANDBY)
        while True:
            began = time.monotonic()
            await self.check_next(connection)
            await asyncio.sleep(pause_after(time.monotonic() - began, self._shortest_pause))

    async def check_next(self, connection: Connection) -> None:
        """Check the next accounts; at the end of a round, check all accounts together. Raises psycopg.Error."""
        place = (await drift(connection)).place
        accounts = await next_accounts(connection, place.account_id, self._piece)
        await self._check(connection, accounts)
        if not accounts:
            await self._store(connection, [""], await check_totals(connection))
        moved = Place(accounts[-1], len(accounts), 0) if accounts else Place("", 0, 1)
        await connection.execute(SQL["move"], moved._asdict())

    async def _check(self, connection: Connection, accounts: Sequence[str]) -> None:
        cursor = await connection.execute(SQL["to_recheck"], {"limit": RECHECKED})
        wrong = [account_id for (account_id,) in await cursor.fetchall()]
        chosen = list(dict.fromkeys([*accounts, *wrong]))
        if chosen:
            await self._store(connection, chosen, await check_accounts(connection, chosen))

    async def _store(self, connection: Connection, accounts: Sequence[str], checked: Checked) -> None:
        """Store the differences, and log the new ones."""
        found = _by_account_and_projection(checked)
        not_compared = {one.account_id for one in checked.differences if one.table == EVENTS}
        compared = [account_id for account_id in accounts if account_id not in not_compared]
        named = {
            "accounts": texts([account_id for account_id, _ in found]),
            "projections": texts([projection for _, projection in found]),
        }
        async with connection.transaction():
            compared_with = {"accounts": compared, "projections": list(checked.positions)}
            still_wrong = {"wrong": named["accounts"], "of": named["projections"]}
            await connection.execute(SQL["delete_gone"], compared_with | still_wrong)
            details = texts(list(found.values()))
            positions = bigints([checked.positions.get(projection, 0) for _, projection in found])
            cursor = await connection.execute(SQL["store"], {**named, "positions": positions, "details": details})
            stored = await cursor.fetchall()
        for new, projection, position, detail in stored:
            if new:
                _log.error("projection %s has drifted at position %d: %s", projection, position, detail)
        self._log_unchecked(checked.unchecked)

    def _log_unchecked(self, unchecked: dict[str, str]) -> None:
        for name, why in unchecked.items():
            if self._unchecked.get(name) != why:
                _log.warning("%s cannot be checked: %s", name, why)
        self._unchecked = unchecked


def pause_after(worked: float, shortest: float = SHORTEST_PAUSE) -> float:
    """The pause after `worked` seconds of work, in seconds."""
    return max(shortest, PAUSE_FACTOR * worked)


async def drift(connection: Connection) -> Drift:
    """The drift that the standing check has found, at most LISTED of it, and how far the check is."""
    wrong = await (await connection.execute(SQL["drift"], {"limit": LISTED})).fetchall()
    place = await (await connection.execute(SQL["place"])).fetchone()
    return Drift([(account_id, projection) for account_id, projection in wrong], Place(*place) if place else Place())


async def _leads(connection: Connection) -> bool:
    row = await (await connection.execute(SQL["lead_check"])).fetchone()
    return bool(row and row[0])


def _by_account_and_projection(checked: Checked) -> dict[tuple[str, str], str]:
    """A description of the differences for each account and projection: the first ones, and how many more."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for one in checked.differences:
        found[one.account_id, one.projection].append(one.text)
    return {
        key: "; ".join(texts_[:DESCRIBED])[:2_000]
        + (f"; and {len(texts_) - DESCRIBED} more" if len(texts_) > DESCRIBED else "")
        for key, texts_ in found.items()
    }
