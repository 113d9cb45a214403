"""Mail, to a real SMTP server: one mail for one cause. Nothing that goes wrong loses it, or sends it in clear."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext, create_default_context
from typing import Any, NamedTuple

import psycopg
import pytest
import pytest_asyncio

from ledger.postgres.connecting import connect_async
from outbox.mail_files import MailFiles
from outbox.mailer import Mailer, pause_after
from outbox.mails import Mail, place
from outbox.sending import Send
from outbox.smtp import Smtp
from outbox.smtp_server import SmtpServer
from tests.conftest import Clock
from tests.dashboard.proxies import Certificate
from tests.outbox.smtp_servers import Mailbox, smtp_server

SENDER = "Credits <credits@ledger.example>"
LINK = "https://ledger.example/dashboard/reset#a-secret"


class Row(NamedTuple):
    state: str
    attempts: int
    body: str | None
    last_error: str | None


class Outbox:
    """The mails of a database, a mailer, and a clock."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], conninfo: str, clock: Clock) -> None:
        self.connection = connection
        self.conninfo = conninfo
        self.clock = clock

    async def place(self, cause: str, recipient: str = "ada@example.com", **more: Any) -> None:
        mail = Mail(cause, "reset", recipient, f"Ünïcode {cause}", f"Open this link:\n\n{LINK}\n", **more)
        await place(self.connection, mail, self.clock())

    async def turn(self, send: Send) -> int:
        return await Mailer(self.conninfo, self.clock, send).turn(self.connection)

    async def rows(self) -> dict[str, Row]:
        found = await self.connection.execute("SELECT cause, state, attempts, body, last_error FROM outbox.mails")
        return {cause: Row(*rest) for cause, *rest in await found.fetchall()}


@pytest_asyncio.fixture
async def outbox(database: str, clock: Clock) -> AsyncIterator[Outbox]:
    async with await connect_async(database) as connection:
        yield Outbox(connection, database, clock)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with smtp_server() as box:
        yield box


def plain(box: Mailbox, timeout: float = 30.0) -> Send:
    return Smtp(SmtpServer.from_url(f"smtp://127.0.0.1:{box.port}?starttls=off"), SENDER, timeout=timeout).send


async def test_one_mail_for_one_cause_and_none_for_a_cause_that_did_not_happen(outbox: Outbox, box: Mailbox) -> None:
    await outbox.place("first")
    await outbox.place("first")
    await outbox.place("nobody", wanted=False)
    async with outbox.connection.transaction(force_rollback=True):
        await outbox.place("undone")
    assert [await outbox.turn(plain(box)) for _ in range(3)] == [1, 0, 0]
    [message] = box.messages
    assert (message["from"], message["to"], message["subject"]) == (SENDER, "ada@example.com", "Ünïcode first")
    assert LINK in message.get_content()
    rows = await outbox.rows()
    assert rows == {"first": Row("sent", 1, None, None), "nobody": Row("unwanted", 0, None, None)}


async def test_what_is_refused_for_now_is_tried_for_two_days_and_what_is_refused_for_good_is_not(
    outbox: Outbox, box: Mailbox
) -> None:
    box.rcpt = {"later@example.com": "450 4.2.1 busy", "never@example.com": "550 5.1.1 no such user"}
    box.data = {"full@example.com": "452 4.2.2 full", "spam@example.com": "554 5.7.1 spam"}
    for name in ("later", "never", "full", "spam", "soon"):
        await outbox.place(name, f"{name}@example.com", useful=timedelta(minutes=30 if name == "full" else 10_000))
    await outbox.turn(plain(box))
    rows = await outbox.rows()
    assert {cause: row.state for cause, row in rows.items()} == {
        "later": "waiting",
        "full": "waiting",
        "never": "refused",
        "spam": "refused",
        "soon": "sent",
    }
    assert rows["never"].last_error == "550 5.1.1 no such user"
    assert rows["spam"].last_error == "554 5.7.1 spam"
    assert [rows[cause].body is None for cause in ("later", "never", "spam")] == [False, True, True]

    assert await outbox.turn(plain(box)) == 0, "a mail that waits is not due at once"
    tried = 0
    while (await outbox.rows())["later"].state == "waiting":
        outbox.clock.forward(minutes=60)
        tried += await outbox.turn(plain(box))
    began = outbox.clock.now.replace(day=1, hour=0, minute=0)
    assert timedelta(hours=46) < outbox.clock.now - began <= timedelta(days=2)
    rows = await outbox.rows()
    assert [rows[cause].state for cause in ("later", "full")] == ["late", "late"]
    assert rows["later"].body is None
    assert 45 < tried < 60
    assert box.recipients == ["soon@example.com"]


async def test_a_mail_that_waited_is_sent_when_the_server_is_back(outbox: Outbox, box: Mailbox) -> None:
    gone = Smtp(SmtpServer.from_url("smtp://127.0.0.1:1?starttls=off"), SENDER).send
    await outbox.place("first")
    await outbox.turn(gone)
    assert (await outbox.rows())["first"].state == "waiting"
    outbox.clock.forward(seconds=61)
    await outbox.turn(plain(box))
    assert (await outbox.rows())["first"] == Row("sent", 2, None, None)


async def test_one_that_hangs_delays_no_other(outbox: Outbox, box: Mailbox) -> None:
    box.hanging = {"hangs@example.com"}
    for name in ("hangs", "a", "b", "c"):
        await outbox.place(name, f"{name}@example.com")
    await outbox.turn(plain(box, timeout=2.0))
    rows = await outbox.rows()
    assert rows["hangs"].state == "waiting"
    assert "Timeout" in str(rows["hangs"].last_error)
    assert sorted(box.recipients) == ["a@example.com", "b@example.com", "c@example.com"]


async def test_encryption_is_never_given_up(outbox: Outbox, box: Mailbox, tmp_path: Path) -> None:
    """Without the offer of STARTTLS, with a certificate that nobody vouches for, with a wrong password: no mail."""
    certificate, tls = Certificate(tmp_path), SSLContext(PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.certificate, certificate.key)
    with smtp_server(tls) as secure:
        url = f"smtp://ada:{{}}@127.0.0.1:{secure.port}"
        good = SmtpServer.from_url(url.format("s3cret"))
        no_tls = SmtpServer.from_url(f"smtp://127.0.0.1:{box.port}")
        wrong = SmtpServer.from_url(url.format("wrong"))
        await outbox.place("first")
        for server, trusted in (
            (no_tls, certificate.trusted),
            (good, create_default_context()),
            (wrong, certificate.trusted),
        ):
            await outbox.turn(Smtp(server, SENDER, trusted).send)
            assert (await outbox.rows())["first"].state == "waiting"
            outbox.clock.forward(hours=1)
        assert (box.messages, secure.messages) == ([], [])
        assert "SMTPAuthenticationError" in str((await outbox.rows())["first"].last_error)
        await outbox.turn(Smtp(good, SENDER, certificate.trusted).send)
        assert secure.encrypted == [True]
    assert (await outbox.rows())["first"].state == "sent"


_SENDS = """
import asyncio, sys
from datetime import UTC, datetime
from outbox.mailer import Mailer
from outbox.smtp import Smtp
from outbox.smtp_server import SmtpServer
conninfo, port, now = sys.argv[1:]
server = SmtpServer.from_url(f"smtp://127.0.0.1:{port}?starttls=off")
clock = lambda: datetime.fromisoformat(now)
asyncio.run(Mailer(conninfo, clock, Smtp(server, "credits@ledger.example").send).run())
"""


async def test_a_process_that_is_killed_between_sending_and_marking_loses_nothing(outbox: Outbox, box: Mailbox) -> None:
    """The server kills the mailer when it has taken the mail: the next one sends it again, as the same message."""
    await outbox.place("first")
    command = [sys.executable, "-c", _SENDS, outbox.conninfo, str(box.port), outbox.clock().isoformat()]

    def run(taken: int) -> int:
        process = subprocess.Popen(command)
        box.taken = lambda: os.kill(process.pid, signal.SIGKILL) if len(box.messages) == taken else None
        return process.wait(60)

    assert await asyncio.to_thread(run, 1) == -signal.SIGKILL
    assert (await outbox.rows())["first"].state == "waiting"
    box.taken = lambda: None
    await outbox.turn(plain(box))
    assert (await outbox.rows())["first"].state == "sent"
    first, second = box.messages
    assert first["message-id"] == second["message-id"]


async def test_of_two_mailers_one_sends(outbox: Outbox, box: Mailbox) -> None:
    for number in range(20):
        await outbox.place(str(number))
    mailers = [asyncio.create_task(Mailer(outbox.conninfo, outbox.clock, plain(box)).run()) for _ in range(2)]
    deadline = time.monotonic() + 60
    while {row.state for row in (await outbox.rows()).values()} != {"sent"}:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    for one in mailers:
        one.cancel()
    await asyncio.wait(mailers)
    assert len(box.messages) == 20


async def test_a_mail_that_can_be_switched_off_says_how_in_its_head(outbox: Outbox, box: Mailbox) -> None:
    """In one piece, however long: the program of the reader presses the button where the address is https."""
    long = f"https://ledger.example/dashboard/mails/{'a' * 200}"
    addresses = {"always": None, "long": long, "plain": "http://127.0.0.1:8000/dashboard/mails/b"}
    for cause, address in addresses.items():
        await outbox.place(cause, f"{cause}@example.com", ending=address)
    await outbox.turn(plain(box))
    sent = {message["to"].partition("@")[0]: message for message in box.messages}
    assert [sent["always"][name] for name in ("List-Unsubscribe", "List-Unsubscribe-Post")] == [None, None]
    assert sent["long"]["List-Unsubscribe"] == f"<{long}>"
    assert sent["long"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert sent["plain"]["List-Unsubscribe"] == f"<{addresses['plain']}>"
    assert sent["plain"]["List-Unsubscribe-Post"] is None
    assert f"\r\nList-Unsubscribe: <{long}>\r\n".encode() in box.raw["long@example.com"]
    left = await outbox.connection.execute("SELECT ending FROM outbox.mails")
    assert set(await left.fetchall()) == {(None,)}, "it goes with the text"


async def test_without_a_server_mails_are_files_of_this_user(outbox: Outbox, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "mail"
    await outbox.place("first")
    await outbox.turn(MailFiles(folder, None).send)
    [file] = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert (file.suffix, LINK.encode() in file.read_bytes()) == (".eml", True)
    blocked = tmp_path / "file"
    blocked.write_text("")
    await outbox.place("second")
    await outbox.turn(MailFiles(blocked, None).send)
    assert (await outbox.rows())["second"].state == "waiting"


async def test_what_ended_long_ago_is_deleted(outbox: Outbox, box: Mailbox) -> None:
    await outbox.place("first")
    await outbox.turn(plain(box))
    outbox.clock.forward(days=91)
    await outbox.turn(plain(box))
    assert await outbox.rows() == {}


@pytest.mark.parametrize(
    "url", ["", "http://a", "smtp://", "smtp://a/b", "smtp://u@a", "smtps://a?starttls=off", "smtp://a?x"]
)
def test_other_addresses_are_no_servers(url: str) -> None:
    with pytest.raises(ValueError, match=r"an address|a user|bad query"):
        SmtpServer.from_url(url)


def test_addresses_of_servers() -> None:
    assert SmtpServer.from_url("smtp://a") == SmtpServer("a", 587, True, None, None)
    assert SmtpServer.from_url("smtps://u%40b:p%2F@a") == SmtpServer("a", 465, None, "u@b", "p/")
    assert "p/" not in repr(SmtpServer.from_url("smtps://u:p%2F@a"))
    assert [pause_after(attempts).total_seconds() for attempts in (1, 2, 3, 6, 7, 99)] == [
        60,
        120,
        240,
        1920,
        3600,
        3600,
    ]
