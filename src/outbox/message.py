"""The message of a mail, as RFC 5322 has it. The same mail has the same Message-ID each time that it is sent."""

from datetime import datetime
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime, parseaddr
from hashlib import sha256
from typing import Any, NamedTuple

_LONGEST_LINE = 998
"""Characters (RFC 5322, section 2.1.1)."""
ENDING = "List-Unsubscribe"


class _OneLine(UnstructuredHeader, BaseHeader):
    """A header with an address: divided, or encoded as text, it would be none."""

    def fold(self, *, policy: "Policy[Any]") -> str:
        """The header as one line."""
        return f"{ENDING}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type(ENDING, _OneLine)
_POLICY = SMTP.clone(header_factory=_HEADERS)


class Outgoing(NamedTuple):
    """A mail that is due."""

    mail_id: int
    cause: str
    kind: str
    recipient: str
    subject: str
    body: str
    ending: str | None
    attempts: int
    created_at: datetime
    send_before: datetime


def message_of(mail: Outgoing, sender: str) -> EmailMessage:
    """The message of a mail from a sender, `Name <address>` or an address.

    A mail that was sent, and not marked because its process ended, is sent again: its Message-ID tells that it is one.
    One that can be switched off says how: with a button of the reader's program, where the address is https (RFC 8058).
    """
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = mail.recipient
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.created_at)
    domain = parseaddr(sender)[1].rpartition("@")[2]
    message["Message-ID"] = f"<{sha256(mail.cause.encode()).hexdigest()[:32]}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    if mail.ending is not None:
        message[ENDING] = f"<{mail.ending}>"
        if mail.ending.startswith("https://"):
            message[f"{ENDING}-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(mail.body, cte="7bit" if _is_plain(mail.body) else "quoted-printable")
    return message


def _is_plain(text: str) -> bool:
    """Whether a text can be sent as it is, so that whoever looks at the message finds its link in one piece."""
    return text.isascii() and max(map(len, text.splitlines()), default=0) < _LONGEST_LINE
