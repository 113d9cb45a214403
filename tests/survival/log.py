"""The log as it is stored, read past the ledger."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import psycopg
from psycopg.rows import dict_row


@dataclass(slots=True)
class Row:
    """One event: its columns, and what its state says."""

    position: int
    account: str
    version: int
    topic: str
    state: bytes
    receipt: str | None = None
    fingerprint: bytes | None = None
    command_events: int | None = None
    subject: str | None = None
    hash: bytes | None = None
    data: dict[str, Any] = field(init=False)
    metadata: dict[str, Any] = field(init=False)
    recorded_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        stored = orjson.loads(self.state)
        self.data, self.metadata = stored["data"], stored["metadata"]
        self.recorded_at = datetime.fromisoformat(stored["recorded_at"])

    @property
    def event(self) -> dict[str, Any]:
        """As the feeds show it."""
        return {
            "position": self.position,
            "account_id": self.account,
            "version": self.version,
            "type": self.topic,
            **orjson.loads(self.state),
        }

    @property
    def name(self) -> str:
        """What a sentence calls it."""
        return f"version {self.version} of {self.account} ({self.topic})"


COLUMNS = {
    "position": "notification_id",
    "account": "originator_id",
    "version": "originator_version",
    "topic": "topic",
    "state": "state",
    "receipt": "receipt",
    "fingerprint": "fingerprint",
    "command_events": "command_events",
    "subject": "subject",
    "hash": "hash",
}


async def read_log(conninfo: str) -> list[Row]:
    """All events by position."""
    async with (
        await psycopg.AsyncConnection.connect(conninfo) as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        await cursor.execute("SELECT * FROM ledger.events LIMIT 0")
        there = {column.name for column in cursor.description or ()}
        columns = ", ".join(f"{column} AS {name}" for name, column in COLUMNS.items() if column in there)
        await cursor.execute(f"SELECT {columns} FROM ledger.events ORDER BY notification_id".encode())
        return [Row(**row) async for row in cursor]
