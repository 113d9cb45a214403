"""Mail to an SMTP server. This module is imported when one is set."""

import asyncio
import ssl
from email.utils import parseaddr

import aiosmtplib

from outbox.message import Outgoing, message_of
from outbox.sending import NotSent, Refused
from outbox.smtp_server import SmtpServer

TIMEOUT = 30.0
"""Seconds that one mail may take, from the connection to the answer."""
_FOR_GOOD = 500
"""From this code on, an answer is final (RFC 5321, section 4.2.1)."""


class Smtp:
    """Sends each mail over a connection of its own, so that one that hangs delays no other."""

    def __init__(
        self, server: SmtpServer, sender: str, trusted: ssl.SSLContext | None = None, timeout: float = TIMEOUT
    ) -> None:
        self.server = server
        self._sender = sender
        self._trusted = trusted or ssl.create_default_context()
        self._timeout = timeout

    async def send(self, mail: Outgoing) -> None:
        """Send a mail. Raises NotSent, and Refused when the server says that it never takes it."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._send(mail)
        except aiosmtplib.SMTPRecipientsRefused as error:
            [refused] = error.recipients
            raise _judged(refused.code, refused.message) from error
        except aiosmtplib.SMTPDataError as error:
            raise _judged(error.code, error.message) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:  # ours to repair: no fault of this mail
            raise NotSent(_shown(f"{type(error).__name__}: {error}")) from error

    async def _send(self, mail: Outgoing) -> None:
        message, server = message_of(mail, self._sender), self.server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=parseaddr(self._sender)[1].rpartition("@")[2],
            use_tls=server.starttls is None,
            start_tls=bool(server.starttls),
            tls_context=self._trusted,
            timeout=self._timeout,
        )
        try:
            await client.connect()
            if server.user is not None and server.password is not None:
                await client.login(server.user, server.password)
            await client.send_message(message, sender=parseaddr(self._sender)[1], recipients=[mail.recipient])
        finally:
            client.close()


def _judged(code: int, message: str) -> NotSent:
    said = _shown(f"{code} {message}")
    return Refused(said) if code >= _FOR_GOOD else NotSent(said)


def _shown(text: str) -> str:
    """What a server said, on one line that is not too long."""
    return " ".join(text.split())[:500]
