"""Which mails people want, and the links that end mails of one kind. Such a link works without signing in, for as long
as the person is here: it is signed, and does nothing but that.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime
from typing import cast

from ledger.store import EventLog
from people.audit_log import by_user, note
from people.sign_in.profile import MAIL_KINDS, MailKind
from people.sign_in.profiles import SQL, Connection, rows
from people.sign_in.words import token_spent

_TOKEN = re.compile(r"(?P<user_id>usr_[0-9a-f]{20})\.(?P<kind>[a-z]{1,20})\.[A-Za-z0-9_-]{43}")


async def ending_token(connection: Connection, user_id: str, kind: MailKind) -> str | None:
    """The secret of the link that ends mails of a kind to a user; None when they want no such mail, or are gone.

    Raises psycopg.Error.
    """
    found = await rows(connection, "mail_choice", user_id=user_id, kind=kind)
    return _signed(bytes(found[0]["secret"]), user_id, kind) if found and found[0]["wants"] else None


class MailChoices:
    """Ends mails of a kind. Every method raises psycopg.Error."""

    def __init__(self, log: EventLog, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock

    async def kind_of(self, token: str) -> MailKind:
        """Which mails a link ends. Raises AccessRefused: token_spent."""
        async with self._log.connection() as connection:
            return (await _read(connection, token))[1]

    async def end(self, token: str) -> MailKind:
        """End the mails that a link is about; again changes nothing. Raises AccessRefused: token_spent."""
        async with self._log.connection() as connection, connection.transaction():
            user_id, kind = await _read(connection, token)
            await connection.execute(SQL["end_mails"], {"user_id": user_id, "kind": kind})
            await note(connection, self._clock(), by_user("user.profile_changed", user_id, {"fields": "mails_off"}))
        return kind


async def _read(connection: Connection, token: str) -> tuple[str, MailKind]:
    """The user and the kind of a link. Raises AccessRefused: token_spent."""
    parts = _TOKEN.fullmatch(token)
    if parts is None or parts["kind"] not in MAIL_KINDS:
        raise token_spent()
    user_id, kind = parts["user_id"], cast(MailKind, parts["kind"])
    found = await rows(connection, "mail_choice", user_id=user_id, kind=kind)
    if not found or not hmac.compare_digest(_signed(bytes(found[0]["secret"]), user_id, kind), token):
        raise token_spent()
    return user_id, kind


def _signed(secret: bytes, user_id: str, kind: str) -> str:
    named = f"{user_id}.{kind}"
    signature = hmac.digest(secret, f"mails:{named}".encode(), "sha256")
    return f"{named}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"
