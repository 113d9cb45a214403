"""Statements: what is in them, what they prove, and that a ledger which lies in one is found out too."""

import asyncio
import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from api.cli.main import app
from api.runtime.database import as_url
from audit.documents.attachment import attachment_of
from audit.documents.pages import pdf_of
from audit.documents.statement_figures import statement_figures
from audit.documents.verifying import check_document
from audit.statements.event_lines import rows_of
from audit.statements.form import Period, Proven, Statement, body_of, from_file, note_text, to_file
from audit.statements.making import CannotMake, NewStatement
from audit.statements.page import page, period_in_words
from audit.statements.verifying import check_statement
from ledger.domain.amounts import NO_CREDITS
from ledger.domain.commands import DeductCredits, EraseTexts, GrantCredits
from ledger.domain.events import PaymentRefunded
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.merkle import EMPTY_ROOT, inclusion_proof, leaf, root
from ledger.proof.notes import SigningKey, sign
from ledger.proof.signing_key import CheckpointKeys
from ledger.proof.walk import Breach
from ledger.service import Ledger
from ledger.store.records.chain import Record
from ledger.store.records.codec import decode_event
from tests.conftest import Clock
from tests.postgres import TestServers, tampering
from tests.projections.busy import LIFE, Busy
from tests.proof.evidence import EVERYTHING, FIFTH_DAY, checkpoint_keys_of, statement
from tests.proof.evidence import sign as sign_log
from tests.store.asking import open_account


@dataclass(frozen=True, slots=True)
class Stage:
    """A ledger in which ada has lived, and bob is, and its keys."""

    ledger: Ledger
    clock: Clock
    checkpoint_keys: CheckpointKeys

    async def statement(self, period: Period = EVERYTHING, *, texts: bool = True, account: str = "ada") -> NewStatement:
        return await statement(self.ledger, self.checkpoint_keys, account, period, texts=texts)


@pytest_asyncio.fixture
async def stage(ledger: Ledger, clock: Clock, tmp_path: Path) -> Stage:
    checkpoint_keys = await checkpoint_keys_of(ledger, tmp_path)
    await Busy(ledger, clock).live("ada")
    await open_account(ledger, "bob")
    await sign_log(ledger, checkpoint_keys)
    return Stage(ledger, clock, checkpoint_keys)


async def test_a_statement_of_everything(stage: Stage) -> None:
    made = await stage.statement()
    said = made.verified.statement
    stream = await stage.ledger.stream("ada", 0, 1_000)
    assert (said.before, said.after, said.opening) == (None, None, NO_CREDITS)
    assert [one.record.state for one in said.events] == [row.state for row in stream]
    assert said.closing == decode_event(stream[-1].topic, stream[-1].state).balance
    assert made.verified.checkpoint.size == len(await stage.ledger.events(0, 1_000, None))


async def test_a_period_in_the_middle(stage: Stage) -> None:
    """It has the event before it, whose balance is the opening one, and the one after it: so nothing was left out."""
    said = (await stage.statement(FIFTH_DAY)).verified.statement
    assert said.before is not None
    assert said.after is not None
    times = [decode_event(one.record.topic, one.record.state).recorded_at for one in said.chain]
    assert times[0] < FIFTH_DAY.begin <= times[1] <= times[-2] < FIFTH_DAY.end <= times[-1]  # type: ignore[operator]
    assert said.opening == decode_event(said.before.record.topic, said.before.record.state).balance
    whole = (await stage.statement()).verified.statement
    assert said.chain == whole.events[said.before.record.version - 1 : said.after.record.version]


async def test_a_period_without_events(stage: Stage) -> None:
    before = Period(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))
    said = (await stage.statement(before)).verified.statement
    assert (said.events, said.before, said.opening, said.closing) == ((), None, NO_CREDITS, NO_CREDITS)
    later = Period(datetime(2030, 1, 1, tzinfo=UTC), None)
    said = (await stage.statement(later)).verified.statement
    assert (said.events, said.after) == ((), None)
    assert said.opening == said.closing == (await stage.statement()).verified.statement.closing
    with pytest.raises(CannotMake, match="no account 'nobody'"):
        await stage.statement(account="nobody")


async def test_what_is_newer_than_the_newest_checkpoint_gets_one(stage: Stage) -> None:
    await Busy(stage.ledger, stage.clock).ask(DeductCredits("ada", 3))
    made = await stage.statement()
    assert (made.left_out, made.verified.checkpoint.size) == (0, len(await stage.ledger.events(0, 1_000, None)))


async def test_a_statement_after_the_key_was_handed_over(stage: Stage) -> None:
    """Whoever trusts the first key follows the notices in the statement to the one that signed."""
    first = stage.checkpoint_keys.folder.first_key()
    assert first is not None
    stage.checkpoint_keys.rotate(stage.clock.now)
    made = await stage.statement()
    held = check_statement(made.file, [first])
    assert held.signed_by == stage.checkpoint_keys.signing_key().verifying_key != first
    assert len(held.statement.notices) == 1


# Texts -------------------------------------------------------------------------------------------------------------


async def test_texts_are_beside_the_proof_and_go_when_they_are_erased(stage: Stage) -> None:
    before = await stage.statement()
    texts = before.verified.statement.texts
    assert {"description": "first"} in texts.values()
    assert {"reason": "wrong"} in texts.values()
    assert ">first<" in page(before, "x.json")
    assert not (await stage.statement(texts=False)).verified.statement.texts
    await Busy(stage.ledger, stage.clock).ask(EraseTexts("ada"))
    after = await stage.statement()
    assert not after.verified.statement.texts
    events = before.verified.statement.events
    assert [one.record for one in after.verified.statement.events[: len(events)]] == [one.record for one in events]
    assert ">first<" not in page(after, "x.json")
    assert "sealed:" not in page(after, "x.json")


# A ledger that lies ------------------------------------------------------------------------------------------------


def _without(number: int) -> Callable[[Statement], Statement]:
    return lambda said: replace(said, events=said.events[:number] + said.events[number + 1 :])


def _with_state(old: bytes, new: bytes) -> Callable[[Statement], Statement]:
    """An event's bytes changed, and the hashes computed anew from there on."""

    def change(said: Statement) -> Statement:
        previous, chain = said.previous_hash, []
        for one in said.chain:
            record = one.record._replace(state=one.record.state.replace(old, new))
            previous = record.link(previous)
            chain.append(Proven(record._replace(hash=previous), one.proof))
        begin, end = int(said.before is not None), len(chain) - int(said.after is not None)
        before, after = chain[0] if begin else None, chain[-1] if end < len(chain) else None
        return replace(said, before=before, events=tuple(chain[begin:end]), after=after)

    return change


def _first_proof(said: Statement) -> Statement:
    first = said.events[0]
    return replace(said, events=(first._replace(proof=(EMPTY_ROOT, *first.proof[1:])), *said.events[1:]))


def _as_if_closed_up(said: Statement) -> Statement:
    """The last events of the period are kept back, and the balance is what it was before them."""
    kept = said.events[:-2]
    closing = decode_event(kept[-1].record.topic, kept[-1].record.state).balance
    return replace(said, events=kept, closing=closing)


def _older_checkpoint(said: Statement) -> Statement:
    origin, size, rest = said.checkpoint.split("\n", 2)
    return replace(said, checkpoint=f"{origin}\n{int(size) - 1}\n{rest}")


def _as_if_begun(said: Statement) -> Statement:
    assert said.before is not None
    return replace(said, before=None, previous_hash=said.before.record.hash, opening=NO_CREDITS)


HOUR = timedelta(hours=1)
LIES: dict[str, tuple[Callable[[Statement], Statement], str]] = {
    "an event left out": (_without(2), "not consecutive"),
    "the first left out": (_without(0), "not consecutive"),
    "the last ones left out": (_as_if_closed_up, "not consecutive"),
    "another amount": (_with_state(b'"amount":5,', b'"amount":4,'), f"is not one of the {2 * LIFE + 1} events"),
    "another proof": (_first_proof, f"is not one of the {2 * LIFE + 1} events"),
    "another account": (lambda said: replace(said, account_id="bob"), "it is of another account"),
    "another opening": (lambda said: replace(said, opening=said.closing), "opening balance"),
    "another closing": (lambda said: replace(said, closing=said.opening), "closing balance"),
    "a later beginning": (lambda said: _period(said, HOUR / 6, None), "outside of the period"),
    "an earlier beginning": (lambda said: _period(said, -80 * HOUR, None), "listed as before the period"),
    "an earlier end": (lambda said: _period(said, None, -HOUR / 2), "outside of the period"),
    "a later end": (lambda said: _period(said, None, 300 * HOUR), "listed as after the period"),
    "nothing before": (lambda said: replace(said, before=None), "does not match the stored event"),
    "nothing before, and its hash": (_as_if_begun, "begins neither with the first event of the account"),
    "other hash before": (lambda said: replace(said, previous_hash=EMPTY_ROOT), "does not match the stored event"),
    "no history": (lambda said: replace(said, previous_hash=bytes(32)), "hash before the first"),
    "a text of nothing": (lambda said: replace(said, texts={10_000: {"reason": "x"}}), "a text of an event that"),
    "nothing at all": (lambda said: replace(said, before=None, events=(), after=None), "it has no event"),
    "another checkpoint": (_older_checkpoint, "does not match the text"),
}


def _period(said: Statement, begin: timedelta | None, end: timedelta | None) -> Statement:
    assert said.period.begin is not None
    assert said.period.end is not None
    moved = Period(said.period.begin + (begin or timedelta()), said.period.end + (end or timedelta()))
    return replace(said, period=moved)


def _with_more_credits(records: list[Record]) -> list[Record]:
    """One event in the middle has a balance that nobody decided."""
    state = records[1].state.replace(b'"permanent_credits":', b'"permanent_credits":9', 1)
    return [records[0], records[1]._replace(state=state), *records[2:]]


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_a_ledger_that_lies(
    lied_about: tuple[NewStatement, SigningKey], lie: tuple[Callable[[Statement], Statement], str]
) -> None:
    """It has the key and signs what it likes: the events themselves, and the checkpoint, speak against it."""
    made, key = lied_about
    change, said = lie
    body = body_of(change(made.verified.statement))
    file = to_file(body, sign(note_text(made.verified.checkpoint.origin, body), [key]).decode())
    with pytest.raises(Breach, match=said):
        check_statement(file, [key.verifying_key])


@pytest.mark.parametrize(
    ("crooked", "problem"),
    [
        (lambda records: records, None),
        (lambda records: [records[1], records[0], *records[2:]], "its position is not after that of"),
        (_with_more_credits, "its balance is not the one before it plus its changes"),
    ],
    ids=["as it is", "out of order", "credits out of the air"],
)
def test_a_log_that_was_wrong_from_the_start(
    lied_about: tuple[NewStatement, SigningKey], crooked: Callable[[list[Record]], list[Record]], problem: str | None
) -> None:
    """Every hash, proof and signature is right, and the log itself makes no sense."""
    made, key = lied_about
    plain = [one.record for one in made.verified.statement.chain]
    previous, chained = made.verified.statement.previous_hash, {}
    for record in sorted(crooked(plain), key=lambda record: record.version):
        previous = record.link(previous)
        chained[record.version] = record._replace(hash=previous)
    log = [chained[record.version] for record in crooked(plain)]
    leaves = [leaf(record.hash) for record in log]
    proven = {
        record.version: Proven(record._replace(position=n + 1), tuple(inclusion_proof(leaves, n, len(leaves))))
        for n, record in enumerate(log)
    }
    first, *middle, last = [proven[record.version] for record in plain]
    note = sign(Checkpoint(key.name, len(leaves), root(leaves)).text, [key]).decode()
    said = replace(made.verified.statement, before=first, events=tuple(middle), after=last, checkpoint=note)
    body = body_of(said)
    file = to_file(body, sign(note_text(key.name, body), [key]).decode())
    if problem is None:
        check_statement(file, [key.verifying_key])
        return
    with pytest.raises(Breach, match=problem):
        check_statement(file, [key.verifying_key])


async def test_what_is_not_signed_by_the_ledger_is_no_statement(lied_about: tuple[NewStatement, SigningKey]) -> None:
    made, key = lied_about
    body = body_of(replace(made.verified.statement, made_at=made.verified.statement.made_at + HOUR))
    stranger = SigningKey.generate(key.name)
    signatures = {
        "signs another statement": from_file(made.file).signature,
        "no trusted key": sign(note_text(key.name, body), [stranger]).decode(),
        "it signs another": sign(made.verified.checkpoint.text, [key]).decode(),
        "the file was changed": sign(note_text(key.name, body), [key, stranger]).decode(),
        "a note ends with": "",
    }
    for problem, signature in signatures.items():
        with pytest.raises(Breach, match=problem):
            check_statement(to_file(body, signature), [key.verifying_key])


async def test_a_file_has_one_spelling(lied_about: tuple[NewStatement, SigningKey]) -> None:
    made, key = lied_about
    pretty = json.dumps(json.loads(made.file), indent=2).encode()
    other_time = made.file.replace(b'"made_at":"2026-07-01T00:00:00Z"', b'"made_at":"2026-07-01T00:00:00+00:00"')
    assert other_time != made.file
    for file in (pretty, made.file[:-1], made.file + b"\n", b"", b"{}", b"[]", other_time):
        with pytest.raises(Breach) as caught:
            check_statement(file, [key.verifying_key])
        assert caught.value.what == "file"


@pytest.fixture(scope="module")
def lied_about(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> tuple[NewStatement, SigningKey]:
    """A true statement with an event before and after it, and the key that signed it."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as database:
        return asyncio.run(_made(database, tmp_path_factory.mktemp("lies")))


async def _made(database: str, where: Path) -> tuple[NewStatement, SigningKey]:
    clock = Clock()
    async with Ledger(database, clock=clock).running() as ledger:
        checkpoint_keys = await checkpoint_keys_of(ledger, where)
        await Busy(ledger, clock).live("ada")
        await Busy(ledger, clock).live("bob")
        await open_account(ledger, "carl")
        await sign_log(ledger, checkpoint_keys)
        made = await statement(ledger, checkpoint_keys, "ada", FIFTH_DAY)
        return made, checkpoint_keys.signing_key()


# The page and the command ------------------------------------------------------------------------------------------


async def test_the_page_is_whole_by_itself(stage: Stage) -> None:
    """No script, nothing from anywhere else, nothing that a text could smuggle in; the file comes with it."""
    grant = GrantCredits("ada", "permanent", 1_234_567, "topup", description="<script>alert(1)</script> & more")
    await Busy(stage.ledger, stage.clock).ask(grant)
    made = await stage.statement()
    text = page(made, "ada.json")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in text
    assert re.findall(r'(?:src|href)="(?!data:)|url\(|@import', text) == []
    [link] = re.findall(r'href="data:application/json;base64,([^"]+)"', text)
    assert b64decode(link) == made.file
    assert f"credit-ledger verify ada.json --key {made.verified.statement.verifying_key}" in text
    assert "+1,234,567" in text
    assert text.count("<tr>") + text.count('<tr class="quiet">') == len(made.verified.statement.events) + 1
    for word in ("used", "granted", "given back", "expired", "cancelled", "on hold", "Opening balance", "EUR 19.99"):
        assert word in text


async def test_what_was_refunded_is_told_in_money(stage: Stage) -> None:
    """In the currency of the payment, where the statement has it; what comes before its period names no currency."""
    made = await stage.statement()
    assert "EUR 5.00" in page(made, "ada.json")
    events = [decode_event(one.record.topic, one.record.state) for one in made.verified.statement.events]
    [later] = rows_of([next(event for event in events if isinstance(event, PaymentRefunded))], [{}])
    assert later.details == ["500 in minor units", "refund re-1", "payment pay-1"]


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [
        ("2026-11-01", "2026-12-01", "1 Nov 2026 to 30 Nov 2026"),
        ("2026-11-01", "2026-11-02", "1 Nov 2026"),
        (None, "2026-12-01", "up to 30 Nov 2026"),
        ("2026-11-01", None, "since 1 Nov 2026"),
        (None, None, "everything so far"),
        ("2026-11-01T12:00:00", "2026-12-01", "1 Nov 2026, 12:00:00 to 30 Nov 2026"),
        ("2026-11-01", "2026-11-01T12:00:00", "1 Nov 2026 to before 1 Nov 2026, 12:00:00"),
    ],
)
def test_a_period_in_words(begin: str | None, end: str | None, words: str) -> None:
    ends = (datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None for text in (begin, end))
    assert period_in_words(Period(*ends)) == words


def ask(environment: dict[str, str], *options: str) -> Any:
    return CliRunner().invoke(app, ["statement", *options], env=environment)


async def test_the_command(stage: Stage, database: str, tmp_path: Path) -> None:
    environment = {
        "CREDIT_LEDGER_DATABASE_URL": as_url(database),
        "CREDIT_LEDGER_DATA_DIR": str(tmp_path),
    }
    out, html, pdf = tmp_path / "ada.json", tmp_path / "ada.html", tmp_path / "ada.pdf"
    period = ("--from", "2026-01-02", "--to", "2026-01-02")
    files = ("--out", str(out), "--html", str(html), "--pdf", str(pdf))
    done = await asyncio.to_thread(ask, environment, "ada", *period, *files)
    assert done.exit_code == 0, done.output
    first = stage.checkpoint_keys.folder.first_key()
    assert first is not None
    said = check_statement(out.read_bytes(), [first]).statement
    assert said.period == Period(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
    assert {each.stat().st_mode & 0o077 for each in (out, html, pdf)} == {0}
    attached = attachment_of(pdf.read_bytes())
    document = check_document(attached, [first])
    assert document.statement == said
    assert pdf_of(document, attached) == pdf.read_bytes()
    assert statement_figures(document)["headline"] == "2 Jan 2026"
    assert "<h1>Statement of credits</h1>" in html.read_text()
    printed = await asyncio.to_thread(ask, environment, "ada")
    assert check_statement(printed.stdout_bytes, [first]).statement.period == EVERYTHING
    for options, status, problem in (
        (("nobody",), 1, "no account 'nobody'"),
        (("ada", "--from", "2026-02-01", "--to", "2026-01-01"), 2, "the period ends before it begins"),
        (("ada", "--from", "yesterday"), 2, "must be a date such as"),
        (("ada", "--to", "2026-01-01T00:00:00"), 2, "must be a date such as"),
        (("ada", "--html", "-"), 2, "a file of its own"),
        (("ada", "--pdf", "-"), 2, "a file of its own"),
        (("ada", "--html", "a", "--pdf", "a"), 2, "a file of its own"),
    ):
        done = await asyncio.to_thread(ask, environment, *options)
        assert (done.exit_code, problem in done.output) == (status, True), done.output


async def test_no_statement_is_made_of_a_log_that_does_not_hold(stage: Stage, database: str) -> None:
    with tampering(database) as connection:
        connection.execute("UPDATE ledger.events SET subject = 'x' WHERE notification_id = 5")
    with pytest.raises(Breach, match="position 5, account ada, version 5: the stored hash does not match"):
        await stage.statement()
