"""The log as JSON Lines: whole, the same bytes however often it was interrupted, and never behind another ledger's."""

import asyncio
import io
import json
import random
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

from audit.export.json_lines import BadLine, find_end, lines_of
from audit.export.log_export import CannotContinue
from ledger.proof.lines import to_line
from ledger.service import Ledger
from ledger.store.feed import Feed
from ledger.store.log import EventLog
from ledger.store.records.chain import GENESIS, Record
from tests.commands import command
from tests.conftest import Clock
from tests.export.moving import export_to, import_from
from tests.projections.busy import Busy


@pytest.fixture(scope="session")
def whole(lived: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of the ledger in which everything has happened."""
    path = tmp_path_factory.mktemp("export") / "events.jsonl"
    asyncio.run(export_to(lived, path))
    return path


async def records_of(conninfo: str) -> list[Record]:
    log = EventLog(conninfo, readers=1)
    await log.open()
    try:
        return await Feed(log).records(0, 2**62, 2**31)
    finally:
        await log.close()


def test_it_is_the_log_column_by_column(lived: str, whole: Path) -> None:
    records = asyncio.run(records_of(lived))
    lines = [json.loads(line) for line in whole.read_bytes().split(b"\n")[:-1]]
    assert len(lines) == len(records) > 100
    for said, record in zip(lines, records, strict=True):
        stored = {name: value for name, value in record._asdict().items() if value is not None}
        stored["state"] = record.state.decode()
        stored |= {name: stored[name].hex() for name in ("hash", "fingerprint") if name in stored}
        assert said == stored
    with whole.open("rb") as file:
        assert [line.record for line in lines_of(file)] == records


def test_wherever_it_was_interrupted_it_goes_on(lived: str, whole: Path, tmp_path: Path) -> None:
    content, path = whole.read_bytes(), tmp_path / "cut.jsonl"
    chance = random.Random(1)
    ends = [place + 1 for place, byte in enumerate(content) if byte == ord("\n")]
    cuts = [0, 1, len(content), len(content) - 1, *chance.sample(ends, 5), *(chance.sample(range(len(content)), 15))]
    for cut in cuts:
        path.write_bytes(content[:cut])
        exported = asyncio.run(export_to(lived, path))
        assert path.read_bytes() == content
        assert exported.events == content[cut:].count(b"\n")
    path.write_bytes(content[: ends[-2]] + b'{"account_id":"' + b"x" * 9_999)
    asyncio.run(export_to(lived, path))
    assert path.read_bytes() == content


async def live(database: str, account: str) -> None:
    clock = Clock()
    async with Ledger(database, clock=clock).running() as ledger:
        await Busy(ledger, clock).live(account)


def test_it_grows_with_the_log(empty: str, tmp_path: Path) -> None:
    path, again = tmp_path / "log.jsonl", tmp_path / "again.jsonl"
    assert asyncio.run(export_to(empty, path)).events == 0
    asyncio.run(live(empty, "ada"))
    first = asyncio.run(export_to(empty, path))
    asyncio.run(live(empty, "bob"))
    second = asyncio.run(export_to(empty, path))
    assert (second.after, second.events) == (first.upto, first.events)
    asyncio.run(export_to(empty, again))
    assert path.read_bytes() == again.read_bytes()


def test_from_the_middle_on(lived: str, whole: Path, tmp_path: Path) -> None:
    lines, path = whole.read_bytes().splitlines(keepends=True), tmp_path / "rest.jsonl"
    for _ in range(2):
        asyncio.run(export_to(lived, path, 50))
        assert path.read_bytes() == b"".join(lines[50:])
    with pytest.raises(CannotContinue, match="begins at position 51, not after 3"):
        asyncio.run(export_to(lived, path, 3))
    with pytest.raises(CannotContinue, match=f"ends at position {len(lines)}: there is no event after 99999"):
        asyncio.run(export_to(lived, tmp_path / "none.jsonl", 99_999))


def test_a_file_of_another_ledger_is_left_alone(lived: str, empty: str, whole: Path, tmp_path: Path) -> None:
    content, path = whole.read_bytes(), tmp_path / "log.jsonl"
    path.write_bytes(b"".join(content.splitlines(keepends=True)[:9]))
    asyncio.run(import_from(empty, path))
    with pytest.raises(CannotContinue, match="the log ends before, at 9: is the database older"):
        asyncio.run(export_to(empty, whole))
    asyncio.run(live(empty, "bob"))
    asyncio.run(export_to(empty, path))
    with pytest.raises(CannotContinue, match="the file is of another ledger"):
        asyncio.run(export_to(lived, path))
    assert whole.read_bytes() == content


@pytest.mark.parametrize("content", [b"account_id,amount\nada,5\n", b"\0\1\2", b"{}", b'{"account_id":"ada"}\nx'])
def test_a_file_that_is_no_export_is_left_alone(lived: str, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine"
    path.write_bytes(content)
    with pytest.raises(CannotContinue, match="it is not an exported log"):
        asyncio.run(export_to(lived, path))
    assert path.read_bytes() == content


def test_one_at_a_time(lived: str, tmp_path: Path) -> None:
    with (tmp_path / "log.jsonl").open("wb") as held:
        flock(held, LOCK_EX)
        with pytest.raises(CannotContinue, match="another export is writing to it"):
            asyncio.run(export_to(lived, tmp_path / "log.jsonl"))


def test_ends_are_found_in_lines_of_any_length() -> None:
    """Also where a line is longer than what is read at a time, and where its end is the last byte of that."""
    record = Record(1, "a", 1, "T", b"", None, None, None, None, GENESIS)
    for size in (0, 1, 65_000, *range(65_390, 65_410), 200_000):
        lines = [to_line(record._replace(position=n, state=b"x" * (size if n == 3 else 9))) for n in (1, 2, 3)]
        end = find_end(io.BytesIO(b"".join(lines) + b'{"acc'))
        assert (end.size, end.first and end.first.position) == (sum(map(len, lines)), 1)
        assert end.last == record._replace(position=3, state=b"x" * size)
        with pytest.raises(BadLine, match="line 4: it is incomplete"):
            list(lines_of(io.BytesIO(b"".join(lines) + b'{"acc')))


def test_the_command_writes_to_standard_output_too(lived: str, whole: Path, tmp_path: Path) -> None:
    done = command(lived, "export", "--format", "jsonl", "--to", "-")
    assert done.out.encode() == whole.read_bytes()
    assert "exported" in done.err
    told = command(lived, "export", "--format", "jsonl", "--to", tmp_path / "a", "--keys", tmp_path / "keys", "--json")
    assert told.report["events"] == told.report["position"] == done.out.count("\n")
    assert told.report["keys"] == 3
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
    assert "opens every text" in told.err
    lost = command(lived, "export", "--format", "jsonl", "--to", tmp_path / "no folder" / "a")
    assert (lost.status, lost.err) == (1, f"credit-ledger: {tmp_path}/no folder/a: No such file or directory\n")
