"""`move`: an embedded ledger with a large log goes to a server: the time and the memory of `credit-ledger move`.

The two servers are on this machine, and share its disk. The log is made by COPY, and all projections are built.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from api.runtime.database import as_url, migrated
from api.runtime.settings import load_settings
from benchmarks.bench import Bench
from benchmarks.bulk import EVENTS, make_log
from benchmarks.processes import ROOT, clean_environment, peak_memory_of
from benchmarks.progress import Spoiled, say
from benchmarks.read_side import catch_up
from benchmarks.report import Row
from projections.engine.builds import prepare
from projections.models.catalog import PROJECTIONS

_TARGET = "moved"


def moving(bench: Bench) -> None:
    """One move of a log of its own to an empty database of the server that everything runs on."""
    accounts, stand = bench.pace.moved, bench.stand
    events, folder = accounts * EVENTS, stand.folder / "embedded"
    say(f"move: making an embedded ledger of {events:,} events")
    with migrated(load_settings(data_dir=folder)) as source:
        prepare(source.service)
        make_log(source.owner, accounts)
        catch_up(source.owner, PROJECTIONS)
    with psycopg.connect(stand.ours.conninfo, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {_TARGET}".encode())
    say("move: moving it")
    seconds, peak, rows = _run(folder, make_conninfo(stand.ours.conninfo, dbname=_TARGET), events)
    what = f"`credit-ledger move` of {events:,} events, {rows:,} rows in all"
    speed = f"{seconds:,.0f} s: {events / seconds:,.0f} events/s, {rows / seconds:,.0f} rows/s"
    bench.report.add(Row(f"{what}, with its proof", speed))
    bench.report.add(Row(f"{what}, memory", f"{peak / 2**20:,.0f} MiB"))


def _run(folder: Path, target: str, events: int) -> tuple[float, int, int]:
    """The seconds and the bytes of memory that it takes, and the rows that it moves. Its progress goes to stderr."""
    settings = {"CREDIT_LEDGER_DATA_DIR": str(folder)}
    said, began = folder / "move.json", time.monotonic()
    with said.open("wb") as output:
        command = [sys.executable, "-m", "api.cli", "move", "--to", as_url(target), "--json"]
        process = subprocess.Popen(command, cwd=ROOT, env=clean_environment() | settings, stdout=output)
        peak = peak_memory_of(process)
    seconds = time.monotonic() - began
    done = json.loads(said.read_text()) if process.returncode == 0 else {}
    if done.get("signed") != events:
        raise Spoiled(f"move ended with {process.returncode} and signed {done.get('signed')} of {events:,} events")
    return seconds, peak, sum(done["rows"].values())
