"""Runs `credit-ledger import` on one database, and reads its content."""

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import psycopg

from tests.commands import PROGRAM, Finished, command, environment_for


class Run:
    """A run in a process of its own. It writes to files, because a pipe that is not read would fill up."""

    def __init__(self, command: list[str], environment: dict[str, str], stderr: int | None) -> None:
        self._out, self._err = TemporaryFile("w+"), TemporaryFile("w+")  # noqa: SIM115 - `finish` closes them
        self.process = subprocess.Popen(command, env=environment, stdout=self._out, stderr=stderr or self._err)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait_until_it_says(self, word: str) -> None:
        """Wait until it has told this on its standard error, or the process has ended."""
        while not self.over() and word not in self._so_far():
            time.sleep(0.01)

    def _so_far(self) -> str:
        return os.pread(self._err.fileno(), 65_536, 0).decode()

    def over(self) -> bool:
        return self.process.poll() is not None

    def finish(self) -> Finished:
        """Wait for its end."""
        with self._out, self._err:
            self.process.wait(120)
            self._out.seek(0)
            self._err.seek(0)
            return Finished(self.process.returncode, self._out.read(), self._err.read())


class Importer:
    """Runs `credit-ledger import` on one database, and reads its content."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo

    def start(self, file: Path, *options: str, stderr: int | None = None) -> Run:
        """Begin a run in a process of its own."""
        return Run([*PROGRAM, "import", str(file), *options, "--yes"], environment_for(self.conninfo), stderr)

    def run(self, file: Path, *options: str) -> Finished:
        """A run to its end, without a question."""
        return command(self.conninfo, "import", file, *options, "--yes")

    def ask(self, file: Path, *options: str, said: str = "") -> Finished:
        """A run that asks, to its end."""
        return command(self.conninfo, "import", file, *options, said=said)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The answer of the database."""
        with psycopg.connect(self.conninfo) as connection:
            return connection.execute(query.encode()).fetchall()

    def log(self) -> list[tuple[Any, ...]]:
        """Every event, byte for byte."""
        return self.rows("SELECT notification_id, originator_id, state FROM ledger.events ORDER BY notification_id")

    def draws(self) -> Counter[tuple[str, str]]:
        """Credits that were deducted, by account and kind."""
        query = """
            SELECT account_id, draw ->> 'kind', sum((draw ->> 'amount')::bigint)
            FROM ledger.event_log, json_array_elements(data -> 'draws') AS draw WHERE type = 'CreditsDeducted'
            GROUP BY 1, 2
        """
        return Counter({(account, kind): int(amount) for account, kind, amount in self.rows(query)})

    def types(self) -> dict[str, int]:
        """How many events there are of each type."""
        return dict(self.rows("SELECT type, count(*) FROM ledger.event_log GROUP BY 1"))

    def wait_until_it_records(self, run: Run) -> None:
        """Wait until somebody waits to append to the log, which the caller has locked, or the process has ended."""
        waiting = """
            SELECT EXISTS (
                SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            )
        """
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            while not run.over() and connection.execute(waiting.encode()).fetchone() != (True,):
                time.sleep(0.01)

    def wait_for_events(self, count: int, run: Run) -> None:
        """Wait until the log has so many events, or the process has ended."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            while not run.over():
                found = connection.execute("SELECT count(*) >= %s FROM ledger.events", [count]).fetchone()
                if found == (True,):
                    return
                time.sleep(0.01)
