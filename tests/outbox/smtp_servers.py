"""A real SMTP server in a thread: what it is told to answer, and what it was sent."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ssl import SSLContext
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

TAKEN = "250 taken"


class Mailbox:
    """What a server does with mail: `rcpt` and `data` are its answers, by the recipient."""

    def __init__(self) -> None:
        self.rcpt: dict[str, str] = {}
        self.data: dict[str, str] = {}
        self.messages: list[EmailMessage] = []
        self.raw: dict[str, bytes] = {}
        """The bytes of the newest message to each recipient."""
        self.encrypted: list[bool] = []
        self.recipients: list[str] = []
        self.hanging: set[str] = set()
        self.go_on = threading.Event()
        self.taken: Callable[[], object] = lambda: None
        self.port = 0

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Judge a recipient."""
        if address in self.hanging:
            await server.loop.run_in_executor(None, self.go_on.wait, 60)
        answer = self.rcpt.get(address, "250 ok")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a message."""
        answer = self.data.get(envelope.rcpt_tos[0], TAKEN)
        if answer == TAKEN:
            assert isinstance(envelope.original_content, bytes)
            message = message_from_bytes(envelope.original_content, policy=default)
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
            self.raw[envelope.rcpt_tos[0]] = envelope.original_content
            self.encrypted.append(session.ssl is not None)
            self.recipients += envelope.rcpt_tos
            self.taken()
        return answer


def _only_ada(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    right = (data.login, data.password) == (b"ada", b"s3cret")
    return AuthResult(success=right, handled=False)


@contextmanager
def smtp_server(tls: SSLContext | None = None, **options: Any) -> Iterator[Mailbox]:
    """A server on loopback until the block ends. With `tls`, it offers STARTTLS and insists on it."""
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        box.port = probe.getsockname()[1]
    secure: dict[str, Any] = {"tls_context": tls, "require_starttls": True, "authenticator": _only_ada} if tls else {}
    server = Controller(box, hostname="127.0.0.1", port=box.port, **secure, **options)
    server.start()
    try:
        yield box
    finally:
        box.go_on.set()
        server.stop()
