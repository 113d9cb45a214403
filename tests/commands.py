"""The command line in the process of the test: the same `main`, without the seconds that a new Python takes.

A command that is killed, that waits for a terminal or whose process is the point runs as one; each has a test that
starts it so, see tests/api/cli/test_command_line.py.
"""

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from api.cli.main import main
from api.runtime.database import as_url

PROGRAM = [sys.executable, "-m", "api.cli"]


class Finished(NamedTuple):
    """A run of the command line that is over."""

    status: int
    out: str
    err: str

    @property
    def report(self) -> Any:
        """What it printed with --json."""
        return json.loads(self.out)


def environment_for(conninfo: str | None, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with no setting but these, on that database."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("CREDIT_LEDGER_")}
    named = {} if conninfo is None else {"CREDIT_LEDGER_DATABASE_URL": as_url(conninfo)}
    return {**kept, **named, **(settings or {})}


def command(
    conninfo: str | None, *words: str | Path, said: str = "", settings: Mapping[str, str] | None = None
) -> Finished:
    """`credit-ledger ...` to its end, on a database; `said` is its standard input, which is no terminal.

    Where a test has an event loop, it runs in a thread of its own; else here, where it may listen to signals.
    """
    environment, arguments = environment_for(conninfo, settings), [str(word) for word in words]
    if asyncio._get_running_loop() is None:
        return _run(arguments, environment, said)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_run, arguments, environment, said).result()


def in_a_process(
    conninfo: str | None, *words: str | Path, said: str = "", settings: Mapping[str, str] | None = None
) -> Finished:
    """The same in a process of its own."""
    done = subprocess.run(
        [*PROGRAM, *map(str, words)],
        env=environment_for(conninfo, settings),
        input=said,
        capture_output=True,
        text=True,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def _run(words: list[str], environment: Mapping[str, str], said: str) -> Finished:
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with (
        patch.dict(os.environ, environment, clear=True),
        patch.object(sys, "argv", ["credit-ledger", *words]),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(said.encode()), "utf-8")),
        _plain_logging(),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        status = _status_of_main()
    return Finished(status, *(_text(written) for written in (out, err)))


def _status_of_main() -> int:
    """As the interpreter ends: a text is printed, and is a failure."""
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    return 0


@contextmanager
def _plain_logging() -> Iterator[None]:
    """As in a new process, where nobody has set up logging yet."""
    root = logging.getLogger()
    before = root.handlers, root.level
    root.handlers = []
    try:
        yield
    finally:
        root.handlers = before[0]
        root.setLevel(before[1])


def _text(written: io.TextIOWrapper) -> str:
    written.flush()
    buffer = written.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
