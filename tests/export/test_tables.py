"""Tables of entries: what a naive folding of the log says, in text and in types."""

import asyncio
import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from api.cli.main import app
from api.cli.progress import Lines
from api.runtime.database import as_url
from audit.export.exporting import ExportRequest, ExportResult, Format, export
from audit.export.sources import NoSuchAccount, Source
from audit.export.tables import NAMED, Period
from ledger.domain.events import Event, PaymentRecorded
from ledger.readable_texts import readable_events
from ledger.store.feed import Feed, read
from ledger.store.log import EventLog
from projections.models.history.entry_lines import ALL_COLUMNS, LATER_USAGE, USAGE
from tests.commands import command
from tests.projections.busy import LIFE
from tests.projections.folding import Told, folded

ALWAYS = Period(None, None)


async def table(
    conninfo: str, kind: Format, path: Path, accounts: Sequence[str] = (), period: Period = ALWAYS
) -> tuple[ExportResult, list[dict[str, Any]]]:
    """Export a table as the command does, and read it."""
    log = EventLog(conninfo, readers=2)
    await log.open()
    try:
        source = Source(log, await Feed(log).last_position(), Lines())
        done = await export(source, ExportRequest(kind, path, None, accounts, period, None, path))
    finally:
        await log.close()
    if kind is Format.PARQUET:
        return done, parquet.read_table(path).to_pylist()
    return done, _read_csv(path)


def _read_csv(path: Path) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


async def everything(conninfo: str) -> list[Event]:
    """All events of the log."""
    log = EventLog(conninfo, readers=2)
    await log.open()
    events = read(await Feed(log).rows(0, 2**62, 2**31))
    await log.close()
    return [one.event for one in events]


async def expected(conninfo: str) -> list[dict[str, Any]]:
    """The rows of a table in the order of the log, by the naive folding of the tests."""
    log = EventLog(conninfo, readers=2)
    await log.open()
    events = await readable_events(log, read(await Feed(log).rows(0, 2**62, 2**31)))
    await log.close()
    position = {(one.account_id, one.version): one.position for one in events}
    rows = []
    for row in folded(Told(*one) for one in events)["history.entries"].values():
        credits, about = row["subscription"] + row["permanent"], row["about"]
        version = row["sequence"] // 4
        rows.append(
            {name: row.get(name) for name in ("sequence", "recorded_at", "type", "description", "task_id", "hold_id")}
            | {name: row[name] for name in ("occurred_at", "uncollected")}
            | {name: row.get(name) for name in ("account_id", "transaction_id", "payment_id", "source")}
            | {name: (row["usage"] or {}).get(name) for name in (*USAGE, *LATER_USAGE)}
            | {"position": position[row["account_id"], version], "version": version, "credits": credits}
            | {"subscription_credits": row["subscription"], "permanent_credits": row["permanent"]}
            | {"balance_before": row["balance"] - credits, "balance_after": row["balance"]}
            | {"grant_id": about if about[:3] == "grt" else None}
            | {"deduction_id": about if about[:3] == "ded" else None}
        )
    return sorted(rows, key=lambda row: (row["position"], row["sequence"]))


def as_csv(row: dict[str, Any]) -> dict[str, str]:
    """A row as it is read from CSV."""
    return {name: _cell(value) for name, value in row.items()}


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case bool():
            return str(value).lower()
        case str() if value[:1] == "=":
            return f"'{value}"
        case _:
            return str(value)


def test_both_tables_have_every_entry(lived: str, tmp_path: Path) -> None:
    rows = asyncio.run(expected(lived))
    assert {"first", "part", None} <= {row["description"] for row in rows if row["account_id"] == "ada"}
    assert {row["description"] for row in rows if row["account_id"] == "erased"} == {None, "refund re-1", "refund re-2"}
    done, found = asyncio.run(table(lived, Format.PARQUET, tmp_path / "entries.parquet"))
    assert found == rows
    assert (done.lines, done.what) == (len(rows), "entries")
    _, text = asyncio.run(table(lived, Format.CSV, tmp_path / "entries.csv"))
    assert text == [as_csv(row) for row in rows]
    assert list(text[0]) == [*NAMED, *ALL_COLUMNS]
    assert not list(tmp_path.glob(".*"))


def test_parquet_has_types_and_row_groups(lived: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.export.parquet.GROUP", 50)
    monkeypatch.setattr("audit.export.sources.PAGE", 30)
    path = tmp_path / "entries.parquet"
    _, rows = asyncio.run(table(lived, Format.PARQUET, path))
    assert rows == asyncio.run(expected(lived))
    schema, metadata = parquet.read_schema(path), parquet.read_metadata(path)
    assert schema.field("recorded_at").type == pa.timestamp("us", tz="UTC")
    counts = ("credits", "balance_after", "input_tokens", "cached_tokens")
    assert {schema.field(name).type for name in counts} == {pa.int64()}
    assert not schema.field("balance_after").nullable
    assert schema.field("task_id").nullable
    assert metadata.num_row_groups == 2
    assert metadata.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize("kind", [Format.CSV, Format.PARQUET])
def test_some_accounts_of_some_time(lived: str, tmp_path: Path, kind: Format) -> None:
    begin = datetime(2026, 1, 5, tzinfo=UTC)
    period = Period(begin, begin + timedelta(hours=1))
    _, rows = asyncio.run(table(lived, kind, tmp_path / "some", ["ada", "=1+1"], period))
    wanted = [
        row
        for name in ("ada", "=1+1")
        for row in asyncio.run(expected(lived))
        if row["account_id"] == name and period.has(row["recorded_at"])
    ]
    assert 5 < len(wanted) < 30
    by_place = sorted(wanted, key=lambda row: (row["account_id"], row["position"], row["sequence"]))
    assert rows == (by_place if kind is Format.PARQUET else [as_csv(row) for row in by_place])
    with pytest.raises(NoSuchAccount, match="nobody"):
        asyncio.run(table(lived, kind, tmp_path / "none", ["nobody"]))
    assert not (tmp_path / "none").exists()


def test_revenue_is_that_of_the_log(lived: str, tmp_path: Path) -> None:
    _, rows = asyncio.run(table(lived, Format.REVENUE, tmp_path / "revenue.csv"))
    paid: Counter[str] = Counter()
    for event in asyncio.run(everything(lived)):
        if isinstance(event, PaymentRecorded) and event.status == "paid":
            paid[event.currency] += event.amount_minor
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row["currency"]] += int(row["paid"])
    assert paid
    assert sums == paid
    last = {row["currency"]: row for row in rows}
    for currency, row in last.items():
        kept = sum(int(one["paid"]) - int(one["back"]) for one in rows if one["currency"] == currency)
        earned = sum(int(one["revenue"]) for one in rows if one["currency"] == currency)
        assert earned + int(row["deferred"]) == kept


def test_a_file_that_is_there_stays_until_the_new_one_is_whole(lived: str, tmp_path: Path) -> None:
    path = tmp_path / "entries.csv"
    path.write_text("precious")
    with pytest.raises(NoSuchAccount):
        asyncio.run(table(lived, Format.CSV, path, ["nobody"]))
    assert path.read_text() == "precious"
    asyncio.run(table(lived, Format.CSV, path))
    assert path.read_text().startswith("position,account_id,")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "options",
    [
        ["--format", "csv", "--after", "3"],
        ["--format", "jsonl", "--account", "ada"],
        ["--format", "hledger", "--from", "2026-01-01"],
        ["--format", "revenue", "--account", "ada"],
        ["--format", "revenue-beancount", "--until", "2026-01-01"],
        ["--format", "csv", "--until", "yesterday"],
        ["--format", "csv", "--from", "2026-01-01T12:00:00"],
        ["--format", "csv", "--keys", "keys"],
        ["--format", "xml"],
    ],
)
def test_wrong_options(options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_LEDGER_DATABASE_URL", "postgresql:///nowhere?host=/nowhere")
    assert CliRunner().invoke(app, ["export", "--to", "-", *options]).exit_code == 2


def test_without_the_extra_the_command_says_what_to_install(
    lived: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDIT_LEDGER_DATABASE_URL", as_url(lived))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = CliRunner().invoke(app, ["export", "--format", "parquet", "--to", str(tmp_path / "p")])
    assert done.exit_code == 1
    assert (
        done.output == "credit-ledger: Parquet needs pyarrow, which is not installed: install credit-ledger[parquet]\n"
    )
    assert not list(tmp_path.iterdir())
    assert CliRunner().invoke(app, ["export", "--format", "csv", "--to", str(tmp_path / "c")]).exit_code == 0


def test_only_the_module_that_writes_parquet_imports_pyarrow() -> None:
    """And nobody imports that module but in the moment in which it is needed."""
    sources = Path(__file__).parents[2] / "src"
    importing = re.compile(r"^\s*(import|from) (pyarrow|audit\.export\.parquet)\b", re.MULTILINE)
    found = [path for path in sources.rglob("*.py") if importing.search(path.read_text(encoding="utf-8"))]
    assert [path.relative_to(sources) for path in found] == [Path("audit/export/parquet.py")]


def test_the_command_writes_tables(lived: str, tmp_path: Path) -> None:
    done = command(lived, "export", "--format", "parquet", "--to", tmp_path / "p", "--account", "ada", "--json")
    assert done.status == 0, done.err
    summary = done.report
    assert summary.pop("seconds") >= 0
    assert summary == {
        "format": "parquet",
        "to": str(tmp_path / "p"),
        "position": summary["position"],
        "events": LIFE,
        "entries": parquet.read_metadata(tmp_path / "p").num_rows,
        "keys": None,
    }
