"""The library's view of the log: an application recorder over our append function.

Synchronous, for tools that speak the event library's contracts (replaying, projecting, migrating data). The service
itself writes through log.py; both end in ledger.append, so the rules of writing are in one place.
"""

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import (
    PostgresAggregateRecorder,
    PostgresApplicationRecorder,
    PostgresDatastore,
)
from psycopg.sql import SQL

_APPEND = SQL("SELECT first_position, stale FROM ledger.append(%s, %s, %s, %s, %s, %s, %s, %s)")


class LedgerRecorder(PostgresApplicationRecorder):
    """Inserts under the append lock, with the version of every stream checked; reads are the library's own.

    The tables come from our migrations: create_table makes nothing. Unlike the library's recorder it never repeats an
    insert whose outcome it does not know.
    """

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore, events_table_name="events")

    def create_table(self) -> None:
        """Nothing: see migrations.py."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        """Append events of any streams, all or none, and return their positions.

        Raises IntegrityError when a stream is not where the events expect it to be.
        """
        if not stored_events:
            return []
        empty = [None] * len(stored_events)
        columns = (
            [str(e.originator_id) for e in stored_events],
            [e.originator_version for e in stored_events],
            [e.topic for e in stored_events],
            [e.state for e in stored_events],
        )
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(_APPEND, (*columns, *[empty] * 4), prepare=True)
            row = cursor.fetchone()
            assert row is not None
            if row["stale"]:
                raise IntegrityError(f"streams have moved on: {row['stale']}")
        # A hint for the library's subscriptions, after COMMIT: inside, it would make all commits wait for each other.
        with self.datastore.cursor() as cursor:
            self._notify_channel(cursor)
        first = row["first_position"]
        return list(range(first, first + len(stored_events)))


class SnapshotRecorder(PostgresAggregateRecorder):
    """The library's view of the snapshots."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore, events_table_name="snapshots")

    def create_table(self) -> None:
        """Nothing: see migrations.py."""


def datastore(conninfo: dict[str, str], **options: Any) -> PostgresDatastore:
    """The library's datastore for our schema, from connection parameters as psycopg names them."""
    return PostgresDatastore(
        dbname=conninfo.get("dbname", "postgres"),
        host=conninfo.get("host", ""),
        port=conninfo.get("port", ""),
        user=conninfo.get("user", ""),
        password=conninfo.get("password", ""),
        schema="ledger",
        originator_id_type="text",
        **options,
    )
