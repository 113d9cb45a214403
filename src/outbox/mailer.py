"""The mailer: sends the mails that are due. Only one process sends at a time, under an advisory lock.

A mail is marked after it was sent. A process that ends in between sends it again, with the same Message-ID: a mail may
arrive twice, and none is lost.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row

from ledger.postgres.connecting import connect_async
from outbox.mails import SQL
from outbox.message import Outgoing
from outbox.sending import NotSent, Refused, Send

INTERVAL = 1.0
"""Seconds between two looks for mails that are due."""
AT_ONCE = 8
"""Mails that are sent at the same time, so that a few that hang do not delay the others."""
_RETRY = 2.0
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)
_FORGOTTEN_AFTER = timedelta(days=90)
_log = logging.getLogger("credit_ledger.mailer")


def pause_after(attempts: int) -> timedelta:
    """How long a mail waits after so many attempts: a minute, then twice as long each time, at most an hour."""
    doublings = min(attempts - 1, 10)
    return min(_FIRST_PAUSE * (1 << doublings), _LONGEST_PAUSE)


class Mailer:
    """Sends mails until it is cancelled."""

    def __init__(self, conninfo: str, clock: Callable[[], datetime], send: Send) -> None:
        self._conninfo = conninfo
        self._clock = clock
        self._send = send

    async def run(self) -> None:
        """Send until cancelled. After a lost connection, wait for the database."""
        while True:
            try:
                async with await connect_async(self._conninfo) as connection:
                    await self._send_on(connection)
            except psycopg.Error as error:
                _log.warning("the mailer waits for the database: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(_RETRY)

    async def _send_on(self, connection: AsyncConnection[Any]) -> None:
        leads = False
        while True:
            leads = leads or await self._leads(connection)
            if not leads or await self.turn(connection) < AT_ONCE:
                await asyncio.sleep(INTERVAL)

    async def _leads(self, connection: AsyncConnection[Any]) -> bool:
        return await (await connection.execute(SQL["lead"])).fetchone() == (True,)

    async def turn(self, connection: AsyncConnection[Any]) -> int:
        """Send the mails that are due, at most AT_ONCE. Returns how many there were."""
        now = self._clock()
        async with connection.cursor(row_factory=class_row(Outgoing)) as cursor:
            await cursor.execute(SQL["due"], {"now": now, "limit": AT_ONCE})
            due = await cursor.fetchall()
        for mail, error in zip(due, await asyncio.gather(*map(self._attempt, due)), strict=True):
            await self._note(connection, mail, error)
        if not due:
            await connection.execute(SQL["forget"], {"before": now - _FORGOTTEN_AFTER})
        return len(due)

    async def _attempt(self, mail: Outgoing) -> NotSent | None:
        """Send a mail, if it is still of use; what went wrong, or None."""
        if self._clock() >= mail.send_before:
            return NotSent("too late")
        try:
            await self._send(mail)
        except NotSent as error:
            return error
        return None

    async def _note(self, connection: AsyncConnection[Any], mail: Outgoing, error: NotSent | None) -> None:
        now, attempts = self._clock(), mail.attempts + 1
        noted = {"mail_id": mail.mail_id, "now": now, "attempts": attempts, "error": str(error) if error else None}
        due_at = now + pause_after(attempts)
        if error is None:
            await connection.execute(SQL["end"], {**noted, "state": "sent"})
        elif isinstance(error, Refused):
            _log.warning("the mail %s (%s) was refused: %s", mail.mail_id, mail.kind, error)
            await connection.execute(SQL["end"], {**noted, "state": "refused"})
        elif due_at >= mail.send_before:
            _log.warning("the mail %s (%s) was not sent in time: %s", mail.mail_id, mail.kind, error)
            await connection.execute(SQL["end"], {**noted, "state": "late"})
        else:
            _log.warning("the mail %s (%s) waits: %s", mail.mail_id, mail.kind, error)
            await connection.execute(SQL["postpone"], {**noted, "due_at": due_at})
