"""`imports`: a file of a million rows by `credit-ledger import`, against batches of 500 over HTTP; and its memory."""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

from api.runtime.database import as_url
from benchmarks.accounts import name
from benchmarks.bench import OURS, Bench
from benchmarks.figures import Figure, http_load, typical
from benchmarks.measures.batch import COMMANDS
from benchmarks.pace import ACCOUNTS
from benchmarks.processes import ROOT, clean_environment, peak_memory_of
from benchmarks.progress import Spoiled, say
from benchmarks.report import Row
from benchmarks.services import running
from benchmarks.stand import Stand

_CONNECTIONS = 4
_OPTIONS = [
    *("--account", "{user}", "--amount", "ceil(cost * 1000)", "--key", "{id}", "--time", "at"),
    *("--usage", "model={model}", "--usage", "input_tokens=input", "--usage", "output_tokens=output"),
    *("--yes", "--json"),
]


class _Run(NamedTuple):
    """One import."""

    per_second: float
    cpu: float
    """CPU time of the process in µs for one row."""
    peak: int
    """Bytes of memory."""


def imports(bench: Bench) -> None:
    """Batches, an import of a new file by a new process, and batches again, on the same accounts."""
    first = _batches(bench)
    say(f"  {first.per_second:,.0f} commands/s; a file of {bench.pace.import_rows:,} rows")
    run = _import(bench.stand, 0, bench.pace.import_rows)
    say(f"  {run.per_second:,.0f} rows/s, {run.peak / 2**20:,.0f} MiB")
    batches = [first, _batches(bench)]
    best = typical(batches)
    what = f"import of a file of {bench.pace.import_rows:,} rows"
    ratio = f"{run.per_second / best:.2f}"
    batch = f"{best:,.0f}/s (batches of {COMMANDS} over HTTP)"
    bench.report.add(Row(f"{what}, all of it", f"{run.per_second:,.0f} rows/s", batch, ratio))
    batch_cpu = median(turn.service_cpu for turn in batches)
    bench.report.add(
        Row(
            f"{what}, its process",
            f"{run.cpu:,.0f} µs of CPU time for a row",
            f"{batch_cpu:,.0f} µs (the service, for one of a batch)",
            f"{batch_cpu / run.cpu:.2f}",
        )
    )
    bench.report.add(Row(f"{what}, memory", f"{run.peak / 2**20:,.0f} MiB"))


def _batches(bench: Bench) -> Figure:
    say(f"imports: batches of {COMMANDS}")
    with running(bench.stand, OURS[0]) as service:
        bench.warm_up(service)
        return http_load(bench.stand, service, connections=_CONNECTIONS, seconds=bench.pace.seconds, commands=COMMANDS)


def _import(stand: Stand, number: int, rows: int) -> _Run:
    path = stand.folder / f"import-{number}.csv"
    credits = _write(path, number, rows)
    command = [sys.executable, "-m", "api.cli", "import", str(path), *_OPTIONS]
    settings = {"CREDIT_LEDGER_DATABASE_URL": as_url(stand.ours.conninfo)}
    said = stand.folder / f"import-{number}.json"
    began, used = time.monotonic(), _children_seconds()
    with said.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=clean_environment() | settings, stdout=output)
        peak = peak_memory_of(process)
    seconds, cpu = time.monotonic() - began, _children_seconds() - used
    report = json.loads(said.read_text()) if process.returncode == 0 else {}
    path.unlink()
    if report.get("deducted") != rows or report["credits"]["deducted"] != credits:
        raise Spoiled(
            f"the import ended with {process.returncode} and recorded {report.get('deducted')} of {rows} rows"
        )
    return _Run(rows / seconds, cpu / rows * 1e6, peak)


def _children_seconds() -> float:
    """CPU time of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _write(path: Path, seed: int, rows: int) -> int:
    """A file of requests, and the credits that they cost."""
    random, credits = Random(seed), 0
    with path.open("w") as file:
        file.write("id,at,user,model,input,output,cost\n")
        for number in range(rows):
            cost = random.randrange(1, 100_000)  # of 10^-7 dollars
            credits += -(-cost // 10_000)
            at = f"2026-11-{number * 28 // rows + 1:02}T{number % 24:02}:00:00Z"
            user, model = name(random.randrange(ACCOUNTS)), f"model-{number % 7}"
            tokens = f"{random.randrange(4_000)},{random.randrange(1_000)}"
            file.write(f"gen-{seed}-{number},{at},{user},{model},{tokens},{cost / 10**7:.7f}\n")
    return credits
