"""An exported log in an empty ledger: the same positions, bytes and hashes, or a refusal that names the line."""

import asyncio
import io
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from audit.export.json_lines import BadLine, lines_of
from audit.export.log_import import LedgerMismatch, chained
from audit.export.text_keys import export_keys
from ledger.proof.lines import from_line, to_line
from ledger.service import Ledger
from ledger.store.batch import Row
from ledger.store.log import EventLog
from ledger.store.records.chain import GENESIS
from ledger.store.records.codec import encode
from tests.commands import command
from tests.conftest import Clock
from tests.export.moving import export_to, import_from
from tests.postgres import owner
from tests.projections.busy import Busy
from tests.projections.folding import folded
from tests.projections.moving import projected
from tests.projections.stored import assert_same, rows_to_compare, told_by
from tests.store.asking import balance
from tests.store.chaining import append
from tests.store.samples import METADATA, SAMPLES


@pytest.fixture(scope="session")
def exported(lived: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of the ledger in which everything has happened, with its keys beside it."""
    folder = tmp_path_factory.mktemp("moved")
    asyncio.run(export_to(lived, folder / "log.jsonl"))
    asyncio.run(_keys(lived, folder / "keys"))
    return folder


async def _keys(conninfo: str, path: Path) -> None:
    log = EventLog(conninfo, readers=1)
    await log.open()
    await export_keys(log, path)
    await log.close()


def rows(database: str, table: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database) as connection:
        return connection.execute(f"SELECT * FROM ledger.{table} ORDER BY 1, 2".encode()).fetchall()


async def test_it_is_the_same_ledger(lived: str, empty: str, exported: Path, tmp_path: Path) -> None:
    """Down to the bytes of its next export, its projections, its texts, and the receipts of its commands."""
    done = command(empty, "import-log", exported / "log.jsonl", "--keys", exported / "keys", "--json")
    assert done.status == 0, done.err
    assert rows(empty, "events") == rows(lived, "events")
    assert rows(empty, "text_keys") == rows(lived, "text_keys")
    assert done.report == {"position": len(rows(lived, "events")), "events": len(rows(lived, "events")), "keys": 3}
    await export_to(empty, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (exported / "log.jsonl").read_bytes()
    async with Ledger(empty).running() as ledger:
        log = await told_by(ledger)
        await projected(ledger, empty)
        assert await balance(ledger, "ada") > 0
    with psycopg.connect(empty) as connection:
        assert_same(rows_to_compare(connection), folded(log))


@pytest.mark.parametrize("size", [1, 7, 2_000])
def test_it_goes_on_wherever_it_was_stopped(
    lived: str, empty: str, exported: Path, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.export.log_import.PAGE", size)
    lines, part = (exported / "log.jsonl").read_bytes().splitlines(keepends=True), tmp_path / "part.jsonl"
    for count in (0, 1, 13, 14, 60):
        part.write_bytes(b"".join(lines[:count]))
        assert asyncio.run(import_from(empty, part)).position == count
    done = asyncio.run(import_from(empty, exported / "log.jsonl", exported / "keys"))
    assert (done.events, done.keys) == (len(lines) - 60, 3)
    again = asyncio.run(import_from(empty, exported / "log.jsonl", exported / "keys"))
    assert (again.events, again.keys) == (0, 0)
    assert rows(empty, "events") == rows(lived, "events")
    with pytest.raises(LedgerMismatch, match="and the file 60: they are different logs"):
        asyncio.run(import_from(empty, part))


def test_it_can_be_killed(lived: str, empty: str, exported: Path) -> None:
    """A page of one event, so that there is a moment to kill it in."""
    program = (
        "import asyncio, sys; from pathlib import Path; "
        "import audit.export.log_import; from tests.export import moving;"
        "audit.export.log_import.PAGE = 1; asyncio.run(moving.import_from(sys.argv[1], Path(sys.argv[2])))"
    )
    killed = 0
    for until in (1, 40):
        with subprocess.Popen([sys.executable, "-c", program, empty, exported / "log.jsonl"]) as process:
            deadline = time.monotonic() + 60
            while len(rows(empty, "events")) < until and process.poll() is None and time.monotonic() < deadline:
                pass
            process.send_signal(signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
    assert killed
    assert asyncio.run(import_from(empty, exported / "log.jsonl")).position == len(rows(lived, "events"))
    assert rows(empty, "events") == rows(lived, "events")


def test_any_changed_byte_is_refused_and_its_line_named(exported: Path) -> None:
    content, chance = (exported / "log.jsonl").read_bytes(), random.Random(4)
    for _ in range(200):
        place = chance.randrange(len(content))
        other = bytes([chance.choice([byte for byte in range(256) if byte != content[place]])])
        changed = content[:place] + other + content[place + 1 :]
        with pytest.raises(BadLine) as caught:
            chained(lines_of(io.BytesIO(changed)), {})
        line = content[:place].count(b"\n") + 1
        assert str(caught.value).startswith(f"line {line}: ")


def test_a_damaged_file_is_imported_up_to_the_damage_and_goes_on_when_it_is_mended(
    lived: str, empty: str, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.export.log_import.PAGE", 10)
    lines, path = (exported / "log.jsonl").read_bytes().splitlines(keepends=True), tmp_path / "log.jsonl"
    wrong: dict[str, Callable[[bytes], bytes]] = {
        "hash does not follow": lambda line: line.replace(b'\\"held\\":', b'\\"held\\" :'),
        "its position is 99 and must be 31": lambda line: to_line(from_line(line)._replace(position=99)),
        "its version is 99 and must be": lambda line: to_line(from_line(line)._replace(version=99)),
        "it has an unknown member 'x'": lambda line: line.replace(b'"position"', b'"x":1,"position"'),
        "it is not JSON": lambda line: line[:50] + b"\n",
        "it is not written as": lambda line: line.replace(b'":', b'": ', 1),
    }
    for said, damage in wrong.items():
        path.write_bytes(b"".join([*lines[:30], damage(lines[30]), *lines[31:]]))
        with pytest.raises(BadLine, match=f"line 31: .*{said}"):
            asyncio.run(import_from(empty, path))
        assert len(rows(empty, "events")) in (20, 30)
    assert asyncio.run(import_from(empty, exported / "log.jsonl")).position == len(lines)
    assert rows(empty, "events") == rows(lived, "events")


def test_lines_that_follow_and_are_no_events_are_refused(exported: Path) -> None:
    """Somebody who makes the hashes anew can make a log of anything; what cannot be read is refused all the same."""
    (first, *_) = map(from_line, (exported / "log.jsonl").read_bytes().splitlines(keepends=True))
    for record, said in (
        (first._replace(topic="Unheard"), "it is no event: ValueError: .*'Unheard'"),
        (first._replace(state=b"{}"), "it is no event: KeyError"),
        (first._replace(receipt="op:1"), "it has only a part of a receipt"),
    ):
        line = to_line(record._replace(hash=record.link(GENESIS)))
        with pytest.raises(BadLine, match=said):
            chained(lines_of(io.BytesIO(line)), {})


async def test_a_ledger_that_has_other_events_is_left_alone(
    ledger: Ledger, clock: Clock, database: str, exported: Path
) -> None:
    await Busy(ledger, clock).live("somebody")
    before = rows(database, "events")
    with pytest.raises(LedgerMismatch, match="line 1 is not the event that the ledger has at position 1"):
        await import_from(database, exported / "log.jsonl")
    assert rows(database, "events") == before


async def test_whoever_writes_meanwhile_is_noticed(empty: str, exported: Path) -> None:
    """Somebody holds the append lock when the import comes, and has opened an account when it gets it."""
    log = EventLog(empty, readers=1)
    writer, _ = await log.connect_writer(None)
    async with writer.exclusively():
        importing = asyncio.create_task(import_from(empty, exported / "log.jsonl"))
        await _waits_for_the_lock(empty)
        topic, state = encode(SAMPLES["AccountOpened"], METADATA)
        await append(writer, [Row("user-1", 1, topic, state, None, None, None, None)])
    await writer.close()
    with pytest.raises(LedgerMismatch, match="another process writes to the ledger"):
        await importing
    assert len(rows(empty, "events")) == 1


async def _waits_for_the_lock(database: str) -> None:
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    deadline = time.monotonic() + 60
    async with await psycopg.AsyncConnection.connect(owner(database), autocommit=True) as connection:
        while await (await connection.execute(statement)).fetchone() == (0,):
            assert time.monotonic() < deadline


def test_other_keys_are_refused(lived: str, empty: str, exported: Path, tmp_path: Path) -> None:
    asyncio.run(import_from(empty, exported / "log.jsonl", exported / "keys"))
    other, first = tmp_path / "keys", (exported / "keys").read_bytes().splitlines(keepends=True)[0]
    other.write_bytes(first[:-5] + (b"00" if first[-5:-3] != b"00" else b"11") + first[-3:])
    with pytest.raises(LedgerMismatch, match="has another key in the ledger"):
        asyncio.run(import_from(empty, exported / "log.jsonl", other))
    other.write_bytes(b'{"account_id":"ada","key":"00"}\n')
    with pytest.raises(BadLine, match="line 1: it is not an account with its key"):
        asyncio.run(import_from(empty, exported / "log.jsonl", other))
    assert rows(empty, "text_keys") == rows(lived, "text_keys")
