"""Tables of entries as Parquet: integers have 64 bits, times are microseconds in UTC, missing values are null.

It is a module of its own because pyarrow is an extra, and takes longer to import than most commands run.
"""

from collections.abc import Sequence
from typing import BinaryIO

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import parquet

from audit.export.tables import NAMED, Period, entries_in
from ledger.domain.usage import Usage
from ledger.store import Logged
from projections.models.history.entry_lines import ALL_COLUMNS, LATER_USAGE, USAGE

GROUP = 100_000
"""The rows of one row group, which is in memory until it is written."""

_INTEGERS = frozenset(
    {
        *("position", "sequence", "version", "credits", "subscription_credits", "permanent_credits"),
        *("balance_before", "balance_after", "uncollected"),
        *("input_tokens", "output_tokens", "cached_tokens", "quantity", "duration_ms"),
    }
)
_ALWAYS = frozenset({*NAMED, "recorded_at", "type", *_INTEGERS}) - {*USAGE, *LATER_USAGE}


def _kind(name: str) -> pa.DataType:
    if name in ("recorded_at", "occurred_at"):
        return pa.timestamp("us", tz="UTC")
    if name == "success":
        return pa.bool_()
    return pa.int64() if name in _INTEGERS else pa.string()


SCHEMA = pa.schema([pa.field(name, _kind(name), nullable=name not in _ALWAYS) for name in (*NAMED, *ALL_COLUMNS)])


def _used(usage: Usage) -> dict[str, str | int | bool | None]:
    return {name: usage.get(name) for name in (*USAGE, *LATER_USAGE)}


class ParquetEntries:
    """Writes entries as Parquet, a row group at a time."""

    def __init__(self, file: BinaryIO, period: Period) -> None:
        self.lines = 0
        self._period = period
        self._writer = parquet.ParquetWriter(file, SCHEMA, compression="zstd")
        self._batches: list[pa.RecordBatch] = []
        self._waiting = 0

    def write(self, events: Sequence[Logged]) -> None:
        """Keep the rows of a page until a row group is full."""
        rows = [{**shown, **_used(shown["usage"] or {})} for shown in entries_in(events, self._period)]
        self.lines += len(rows)
        self._waiting += len(rows)
        self._batches.append(pa.RecordBatch.from_pylist(rows, SCHEMA))
        if self._waiting >= GROUP:
            self._write_group()

    def _write_group(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._batches, SCHEMA), row_group_size=self._waiting)
        self._batches, self._waiting = [], 0

    def finish(self) -> None:
        """Write the last row group."""
        if self._waiting:
            self._write_group()

    def close(self) -> None:
        """Write the footer, without which the file cannot be read."""
        self._writer.close()
