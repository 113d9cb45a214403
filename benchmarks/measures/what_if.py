"""`what-if`: what a million uses would have cost under another price book: the time and the memory of one process."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from api.runtime.database import as_url
from benchmarks.bench import Bench
from benchmarks.bulk import DEDUCTIONS, make_log
from benchmarks.processes import ROOT, clean_environment, peak_memory_of
from benchmarks.progress import Spoiled, say
from benchmarks.report import Row
from benchmarks.stand import Stand
from ledger.domain.usage import Usage

_BOOK = ROOT / "docs" / "prices.toml"
_USAGES: tuple[Usage, ...] = (
    {"provider": "openai", "model": "gpt-5-mini", "input_tokens": 1_200, "output_tokens": 800},
    {"provider": "openai", "model": "gpt-5-nano", "input_tokens": 4_000, "cached_tokens": 9_000, "output_tokens": 90},
    {"metric": "image", "quantity": 12},
    {"provider": "elsewhere", "model": "unknown", "input_tokens": 10},
)
"""Three that the book has a price for, and one that it refuses."""


def what_if(bench: Bench) -> None:
    """A log of its own, made by COPY, of two days at most, and one run of the command line over all of it."""
    accounts, stand = bench.pace.what_if, bench.stand.apart("what_if")
    uses = accounts * DEDUCTIONS
    say(f"what-if: making a log of {uses:,} uses")
    make_log(stand.ours.conninfo, accounts, _USAGES)
    stand.settle()
    say("what-if: pricing them by another book")
    seconds, peak = _run(stand, uses)
    what = f"`credit-ledger prices what-if` over {uses:,} uses of {accounts:,} accounts"
    bench.report.add(Row(f"{what}, all of it", f"{seconds:,.0f} s: {uses / seconds:,.0f} uses/s"))
    bench.report.add(Row(f"{what}, memory", f"{peak / 2**20:,.0f} MiB"))


def _run(stand: Stand, uses: int) -> tuple[float, int]:
    """The seconds and the bytes of memory that it takes."""
    days = [f"{datetime.now(UTC).date() - timedelta(days=ago)}" for ago in (1, 0)]
    options = ["--book", str(_BOOK), "--from", days[0], "--to", days[1], "--json"]
    settings = {"CREDIT_LEDGER_DATABASE_URL": as_url(stand.ours.conninfo)}
    said, began = stand.folder / "what-if.json", time.monotonic()
    with said.open("wb") as output:
        command = [sys.executable, "-m", "api.cli", "prices", "what-if", *options]
        process = subprocess.Popen(command, cwd=ROOT, env=clean_environment() | settings, stdout=output)
        peak = peak_memory_of(process)
    seconds = time.monotonic() - began
    total = json.loads(said.read_text())["total"] if process.returncode == 0 else {}
    found = total.get("uses", 0) + total.get("refused_uses", 0)
    if found != uses or not total["refused_uses"]:
        raise Spoiled(f"what-if ended with {process.returncode} and found {found:,} of {uses:,} uses")
    return seconds, peak
