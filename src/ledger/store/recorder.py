"""An application recorder of the event library over our append function.

It is synchronous, for tools that use the event library's contracts to read, project or migrate data. The service itself
writes through log.py. Both call ledger.append, so the rules of writing are in one place.
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

from ledger.postgres.named_sql import queries
from ledger.store.batch import Row, chained, parameters

_LOCK = SQL("SELECT ledger.lock_appends()")
_HEADS = SQL(
    "SELECT DISTINCT ON (originator_id) originator_id, hash FROM ledger.events WHERE originator_id = ANY (%s)"
    " ORDER BY originator_id, originator_version DESC"
)
_APPEND = SQL(queries("ledger.store")["append"])


class LedgerRecorder(PostgresApplicationRecorder):
    """Inserts events under the append lock and checks the version of every stream; reads are the library's own.

    Our migrations make the tables, so create_table does nothing. Unlike the library's recorder, it never repeats an
    insert whose outcome is unknown.
    """

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore, events_table_name="events")

    def create_table(self) -> None:
        """Do nothing: the migrations make the table (see migrations.py)."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        """Append events of any streams, all or none, and return their positions.

        Raises IntegrityError when a stream does not end one version below its first event here.
        """
        if not stored_events:
            return []
        rows = [
            Row(str(e.originator_id), e.originator_version, e.topic, e.state, None, None, None, None)
            for e in stored_events
        ]
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(_LOCK)
            cursor.execute(_HEADS, ([row.account_id for row in rows],))
            ends = {row["originator_id"]: row["hash"] for row in cursor.fetchall()}
            cursor.execute(_APPEND, parameters(chained(rows, ends), {}), prepare=True)
            row = cursor.fetchone()
            assert row is not None
            if row["stale"]:
                raise IntegrityError(f"streams have moved on: {row['stale']}")
        # This wakes the library's subscriptions. It comes after COMMIT, because NOTIFY inside would serialise commits.
        with self.datastore.cursor() as cursor:
            self._notify_channel(cursor)
        first = row["first_position"]
        return list(range(first, first + len(stored_events)))


class SnapshotRecorder(PostgresAggregateRecorder):
    """An aggregate recorder of the event library over our snapshots. The service reads only those that are proven.

    Only the owner of the tables may insert with it.
    """

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore, events_table_name="snapshots")

    def create_table(self) -> None:
        """Do nothing: the migrations make the table (see migrations.py)."""


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
