"""Attempts of strangers, counted in the database for all workers: wrong passwords, mails that are asked for, and
invitations.

A throttle must lock nobody out. Whoever cannot use their password because others tried too many may have a link mailed.
Links that let in are counted apart from all other mails, so an address that got several lately has one that opens. Of
other mails each network has its own share: nobody's mails keep somebody else from registering.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ledger.postgres.named_sql import queries
from people.errors import AccessRefused

SQL = queries("people", "sql/users.sql")
Connection = AsyncConnection[Any]
Kind = Literal["password", "mail", "letter", "invitation"]
_MAILED: tuple[Kind, ...] = ("mail", "letter")
"""Links that let in, and other mails: a network has one count for both."""

OF_NETWORK, OF_ADDRESS, OF_BOTH = 100, 50, 5
"""Wrong passwords: of one network and of one address in an hour, and of both in 15 minutes."""
MAILS = 5
"""Links to one address in 15 minutes, and other mails that one network asks for. Further ones are asked for in vain,
which nobody is told."""
MOST_MAILS = 15
"""Other mails to one address in 15 minutes, whoever asks for them."""
INVITATIONS = 5
"""Invitations to one address in an hour, counted apart: they must not keep anybody from a link that signs in."""
RETRY_AFTER = 900


async def note_password(connection: Connection, email: str, network: str, now: datetime) -> int:
    """Note that a password is tried; returns what `withdraw` takes. Raises AccessRefused: rate_limited."""
    found = await _note(connection, "password", email, network, now, OF_ADDRESS, OF_BOTH)
    return int(found["attempt_id"])


async def note_link(connection: Connection, email: str, network: str, now: datetime) -> bool:
    """Note that a link is asked for that lets its reader in; returns whether the address may get one.

    Raises AccessRefused: rate_limited.
    """
    found = await _note(connection, "mail", email, network, now, OF_NETWORK, OF_NETWORK)
    return int(found["lately"]) < MAILS


async def note_letter(connection: Connection, email: str, network: str, now: datetime) -> bool:
    """Note that any other mail is asked for; returns whether the address may get one. Raises AccessRefused:
    rate_limited."""
    found = await _note(connection, "letter", email, network, now, OF_NETWORK, OF_NETWORK)
    return int(found["lately_here"]) < MAILS and int(found["lately"]) < MOST_MAILS


async def note_invitation(connection: Connection, email: str, network: str, now: datetime) -> None:
    """Note that somebody is invited. Raises AccessRefused: rate_limited."""
    await _note(connection, "invitation", email, network, now, INVITATIONS, INVITATIONS)


async def withdraw(connection: Connection, attempt_id: int) -> None:
    """The password was right."""
    await connection.execute(SQL["withdraw_attempt"], {"attempt_id": attempt_id})


async def _note(
    connection: Connection,
    kind: Kind,
    email: str,
    network: str,
    now: datetime,
    of_address: int,
    of_both: int,
) -> dict[str, Any]:
    address = sha256(email.encode()).digest()
    kinds = _MAILED if kind in _MAILED else (kind,)
    values = {"kind": kind, "kinds": list(kinds), "address": address, "network": network, "now": now}
    limits = {"of_network": OF_NETWORK, "of_address": of_address, "of_both": of_both}
    async with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL["lock_attempts"], {"names": [f"{kind} {address.hex()}", f"{kinds[0]} {network}"]})
        await cursor.execute(SQL["attempt"], {**values, **limits})
        found = await cursor.fetchone()
    if found is None:
        detail = "Too many attempts. Try again in a quarter of an hour"
        detail += ", or have a link mailed." if kind == "password" else "."
        raise AccessRefused("rate_limited", detail, retry_after=RETRY_AFTER)
    return found
