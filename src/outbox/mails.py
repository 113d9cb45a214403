"""Mails: written in the transaction of their cause, and sent by the mailer afterwards."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from ledger.postgres.named_sql import queries

SQL = queries("outbox", "sql/mails.sql")
PATIENCE = timedelta(days=2)
"""How long a mail is tried, unless it is of no use sooner."""
Connection = AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one address. There is one for each `cause`."""

    cause: str
    kind: str
    """One word, such as `reset`: what the mail is about."""
    recipient: str
    subject: str
    body: str
    """Plain text. It is deleted as soon as the mail has ended."""
    useful: timedelta = PATIENCE
    """How long the mail is of use to whoever gets it, such as the time in which its link can be opened."""
    wanted: bool = True
    """False: nobody gets the mail. It is written all the same, so that the request takes as long as another one."""
    ending: str | None = None
    """The address that ends mails of its kind to whoever gets it; None for one that always comes."""


async def place(connection: Connection, mail: Mail, now: datetime) -> None:
    """Write a mail, in the transaction of its cause. A second one for a cause changes nothing. Raises psycopg.Error."""
    state, ended_at = ("waiting", None) if mail.wanted else ("unwanted", now)
    await connection.execute(
        SQL["place"],
        {
            "cause": mail.cause,
            "kind": mail.kind,
            "recipient": mail.recipient,
            "subject": mail.subject,
            "body": mail.body if mail.wanted else None,
            "ending": mail.ending if mail.wanted else None,
            "state": state,
            "now": now,
            "ended_at": ended_at,
            "send_before": now + min(mail.useful, PATIENCE),
        },
    )


async def forget_recipients(connection: Connection, recipients: list[str]) -> None:
    """Delete all mails to some addresses, in lower case; those that wait are never sent. Raises psycopg.Error."""
    await connection.execute(SQL["forget_recipients"], {"recipients": recipients})
