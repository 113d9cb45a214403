"""Carries out one export in the requested format."""

from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from audit.export.bundle import export_bundle
from audit.export.files import whole_file
from audit.export.journals.beancount import Beancount
from audit.export.journals.hledger import Hledger
from audit.export.journals.notation import Notation
from audit.export.journals.writing import Journals
from audit.export.log_export import Exported, export_log
from audit.export.revenue import Revenue, as_beancount, as_csv
from audit.export.sources import Source
from audit.export.tables import CsvEntries, Period, Sink
from audit.export.text_keys import export_keys
from ledger.store import Logged


class Format(StrEnum):
    """The formats of an export."""

    JSONL = "jsonl"
    BUNDLE = "bundle"
    CSV = "csv"
    PARQUET = "parquet"
    BEANCOUNT = "beancount"
    HLEDGER = "hledger"
    REVENUE = "revenue"
    REVENUE_BEANCOUNT = "revenue-beancount"


LOGS = (Format.JSONL, Format.BUNDLE)
TABLES = (Format.CSV, Format.PARQUET)
_REVENUE = {Format.REVENUE: as_csv, Format.REVENUE_BEANCOUNT: as_beancount}
WHOLE = (*LOGS, *_REVENUE)
"""What has all accounts: credits move between them, and their worth with them."""
_NOTATIONS: dict[Format, type[Notation]] = {Format.BEANCOUNT: Beancount, Format.HLEDGER: Hledger}


class ExportRequest(NamedTuple):
    """What an export writes, and where."""

    format: Format
    to: Path
    after: int | None
    accounts: Sequence[str]
    period: Period
    keys: Path | None
    checkpoints: Path
    """The folder with the checkpoints of all ledgers."""


class ExportResult(NamedTuple):
    """What an export has written."""

    position: int
    """The position in the log at which the export ends."""
    events: int
    """The events that it read."""
    what: str
    lines: int
    """The number of written events, entries or lines of a journal: `what` says which."""
    keys: int | None = None
    """The number of written keys of texts; None if no keys were requested."""


async def export(source: Source, wanted: ExportRequest) -> ExportResult:
    """Carry out an export. Raises CannotContinue, NoSuchAccount, UnreadableEvent and OSError."""
    if wanted.format in LOGS:
        exported = await _export_log(source, wanted)
        keys = await export_keys(source.log, wanted.keys) if wanted.keys else None
        return ExportResult(exported.upto, exported.events, "events", exported.events, keys)
    events = 0
    with whole_file(wanted.to) as file, closing(_sink(file, source, wanted)) as sink:
        async for page in _pages(source, wanted):
            events += len(page)
            sink.write(page)
        sink.finish()
    return ExportResult(source.upto, events, "entries" if wanted.format in TABLES else "lines", sink.lines)


async def _export_log(source: Source, wanted: ExportRequest) -> Exported:
    if wanted.format is Format.BUNDLE:
        return await export_bundle(source, wanted.checkpoints, wanted.to)
    return await export_log(source, wanted.to, wanted.after)


def _sink(file: BinaryIO, source: Source, wanted: ExportRequest) -> Sink:
    if wanted.format in _NOTATIONS:
        return Journals(file, _NOTATIONS[wanted.format](), f"Credits at position {source.upto} of the log")
    if wanted.format in _REVENUE:
        return Revenue(file, _REVENUE[wanted.format], datetime.now(UTC))
    if wanted.format is Format.CSV:
        return CsvEntries(file, wanted.period)
    parquet: Any = import_module("audit.export.parquet")  # imported only for Parquet: see there
    sink: Sink = parquet.ParquetEntries(file, wanted.period)
    return sink


def _pages(source: Source, wanted: ExportRequest) -> AsyncIterator[list[Logged]]:
    if wanted.accounts or wanted.format in _NOTATIONS:
        return source.by_account(wanted.accounts)
    return source.by_position()
