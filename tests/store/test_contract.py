"""The event library's own contract, run against our recorders on each server."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, ClassVar
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.postgres import PostgresDatastore
from eventsourcing.tests import persistence
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from ledger.store.recorder import LedgerRecorder, SnapshotRecorder, datastore
from tests.postgres import TestServers, owner

_UNCHECKED = """
CREATE OR REPLACE FUNCTION ledger.check_batch(
    accounts text[], versions bigint[], topics text[], states bytea[], previouses bytea[], key_accounts text[]
) RETURNS void LANGUAGE plpgsql AS 'BEGIN END'
"""


class OnEmbedded:
    """The cases are unittest's, which knows no parameters: a server is a class here."""

    server_name: ClassVar = "embedded"
    store: PostgresDatastore

    @pytest.fixture(autouse=True)
    def _connected(self, servers: TestServers) -> Iterator[None]:
        server = servers.get(self.server_name)
        if server is None:
            pytest.skip("no PostgreSQL of the machine: tested on the embedded one alone")
        with server.database() as conninfo:
            with psycopg.connect(owner(conninfo)) as connection:
                connection.execute(_UNCHECKED)  # its events have topics of their own, and states that are no JSON
                connection.execute(
                    b"GRANT INSERT ON ledger.snapshots TO credit_ledger_service"
                )  # nothing proves its own
            parameters = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
            with datastore(parameters, pool_size=10, max_overflow=10) as self.store:
                yield

    def new_originator_id(self) -> Any:
        return f"account-{uuid4()}"


class OnMachine(OnEmbedded):
    server_name = "machine"


class TestLogOnEmbedded(OnEmbedded, persistence.ApplicationRecorderTestCase[LedgerRecorder]):
    def create_recorder(self) -> LedgerRecorder:
        return LedgerRecorder(self.store)

    def test_insert_subscribe(self) -> None:
        with self._waking_up(LedgerRecorder(self.store).channel_name):
            self.optional_test_insert_subscribe()

    @contextmanager
    def _waking_up(self, channel: str) -> Iterator[None]:
        """Notify a channel until the block ends: the library's subscription misses what comes before it listens."""
        done = Event()

        def notify() -> None:
            while not done.wait(0.2):
                with self.store.transaction(commit=True) as cursor:
                    cursor.execute(SQL("NOTIFY {}").format(Identifier(channel)))

        thread = Thread(target=notify)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


class TestLogOnMachine(OnMachine, TestLogOnEmbedded):
    pass


class TestPositionsOnEmbedded(OnEmbedded, persistence.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> LedgerRecorder:
        return LedgerRecorder(self.store)


class TestPositionsOnMachine(OnMachine, TestPositionsOnEmbedded):
    pass


class TestSnapshotsOnEmbedded(OnEmbedded, persistence.AggregateRecorderTestCase):
    def create_recorder(self) -> SnapshotRecorder:
        return SnapshotRecorder(self.store)


class TestSnapshotsOnMachine(OnMachine, TestSnapshotsOnEmbedded):
    pass
