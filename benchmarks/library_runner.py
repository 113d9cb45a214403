"""The library's own projection runner, with our balances projection; prints one JSON object.

Everything is as the library's manual has it: an application to follow, a materialised view that is a tracking
recorder, and one transaction for each event, with its tracking record. The log is read by our recorder and mapper, the
rows are made by our projection and written by its statements, into tables of the same definition: what differs is the
runner. It must stay at its best here: prepared statements, a search path that is set once for a connection.
"""

import argparse
import json
import os
import sys
from threading import Event
from time import perf_counter, process_time
from typing import Any

from eventsourcing.application import Application
from eventsourcing.persistence import Mapper, Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL

from benchmarks.processes import peak_memory
from benchmarks.progress import Spoiled
from ledger.domain.changes import fact
from ledger.store.recorder import LedgerRecorder
from ledger.store.records.codec import Stored
from ledger.store.records.mapper import LedgerMapper
from projections.models.balances.projection import BALANCES

SCHEMA = "library"
"""Where its tables are."""
PATIENCE = 600.0


class CreditLedger(Application[str]):
    """Our log, as an application of the library."""

    def construct_mapper(self) -> Mapper[str]:
        """Ours."""
        return LedgerMapper()

    def construct_recorder(self) -> LedgerRecorder:
        """Ours."""
        datastore = self.factory.datastore  # type: ignore[attr-defined]
        return LedgerRecorder(datastore)


class BalancesView(PostgresTrackingRecorder):
    """The tables of our balances projection."""

    def __init__(self, datastore: PostgresDatastore, **options: Any) -> None:
        super().__init__(datastore, **options)
        self.sql_create_statements.append(SQL(BALANCES.statements["create"]).format())

    def apply(self, position: int, stored: Stored, tracking: Tracking) -> None:
        """Write what one event changes, and that it is written."""
        writes = BALANCES.gather([fact(position, stored.account_id, stored.version, stored.event)])
        with self.datastore.transaction(commit=True) as cursor:
            for write in writes:
                cursor.execute(BALANCES.statements[write.statement], write.columns, prepare=True)
                if write.exact and cursor.rowcount != write.rows:
                    raise Spoiled(f"{write.statement} found {cursor.rowcount} of {write.rows} rows")
            self._insert_tracking(cursor, tracking)


class LibraryBalances(Projection[BalancesView]):
    """Passes events to the view, up to a position, and takes the time."""

    name = SCHEMA
    upto = 0
    done = Event()
    began = ended = cpu = 0.0

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """One event."""
        kind, position = type(self), tracking.notification_id
        if position > kind.upto:
            return
        if position == 1:
            kind.began, kind.cpu = perf_counter(), process_time()
        self.view.apply(position, domain_event, tracking)
        if position == kind.upto:
            kind.ended, kind.cpu = perf_counter(), process_time() - kind.cpu
            kind.done.set()


def run(conninfo: str, upto: int) -> dict[str, float]:
    """The first events of the log, in a schema that is there and empty."""
    LibraryBalances.upto = upto
    runner = ProjectionRunner(
        application_class=CreditLedger,
        projection_class=LibraryBalances,
        view_class=BalancesView,
        env=_environment(conninfo),
    )
    with runner:
        while not LibraryBalances.done.wait(0.5):
            if runner.is_interrupted.is_set():
                runner.run_forever(0)
                raise Spoiled("the library's runner has stopped")
        recorded = runner.view.max_tracking_id(CreditLedger.name)
    if recorded != upto:
        raise Spoiled(f"the library's runner is at position {recorded}, not at {upto}")
    seconds = LibraryBalances.ended - LibraryBalances.began
    return {"events": upto, "seconds": seconds, "cpu": LibraryBalances.cpu, "peak": peak_memory()}


def _environment(conninfo: str) -> dict[str, str]:
    """Where the library finds the log, and where the view's tables are: under the projection's own name."""
    place = conninfo_to_dict(conninfo)
    named = {f"POSTGRES_{name.upper()}": str(place.get(name) or "") for name in ("dbname", "host", "port", "user")}
    return named | {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_PASSWORD": str(place.get("password") or ""),
        "POSTGRES_SCHEMA": "ledger",
        "ORIGINATOR_ID_TYPE": "text",
        f"{LibraryBalances.name.upper()}_POSTGRES_SCHEMA": SCHEMA,
    }


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upto", type=int, required=True, help="the position of the last event")
    json.dump(run(os.environ["BENCHMARK_DATABASE"], parser.parse_args().upto), sys.stdout)


if __name__ == "__main__":
    main()
