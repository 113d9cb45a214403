"""Loads and what they show. Each answer is accounted for: no refusal, no lost connection, every deduction recorded."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.machine import fdatasync_seconds
from benchmarks.pace import ACCOUNTS
from benchmarks.processes import ROOT, clean_environment, cpu_seconds
from benchmarks.progress import Spoiled
from benchmarks.services import Running
from benchmarks.stand import FUNCTION, Database, Stand

SCRIPT = ROOT / "benchmarks" / "load.lua"
QUESTIONS = ROOT / "benchmarks" / "ask.lua"
SYNCS = 50
SETTLING = 0.3
"""Seconds in which a service finishes what the load generator did not wait for."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One load: commands a second, CPU time for each in microseconds, and commands in one commit."""

    sync: float
    """Microseconds that the disk took for one small durable write just before: a machine that others use shows here."""
    per_second: float
    service_cpu: float
    postgres_cpu: float
    per_commit: float
    p99: float = 0.0
    """Milliseconds; 0 where it is not measured."""


def typical(figures: Sequence[Figure]) -> float:
    """Commands a second in the median turn."""
    return median(figure.per_second for figure in figures)


def require_wrk() -> None:
    """Say what is missing before anything is started."""
    if shutil.which("wrk") is None:
        raise Spoiled("the load comes from wrk, and it is not on the PATH; on Debian and Ubuntu: apt-get install wrk")


class _Meter:
    """What changes under one load. Counting costs CPU time too, so it is done outside of what is read of that."""

    def __init__(self, stand: Stand, database: Database, service: int | None) -> None:
        self._stand = stand
        self._database = database
        self._service = service
        self._sync = fdatasync_seconds(stand.folder, writes=SYNCS) * 1e6
        self._counts = self._read_counts()
        self._cpu = self._read_cpu()

    def _read_counts(self) -> tuple[int, int]:
        return self._database.recorded(), self._database.commits()

    def _read_cpu(self) -> tuple[float, float]:
        return cpu_seconds(self._service) if self._service is not None else 0.0, self._stand.postgres_seconds()

    def figure_of_questions(self, answered: int, seconds: float) -> Figure:
        """The figure of a load that recorded nothing."""
        service, postgres = (after - before for before, after in zip(self._cpu, self._read_cpu(), strict=True))
        micro = 1e6 / max(answered, 1)
        return Figure(self._sync, answered / seconds, service * micro, postgres * micro, 0.0)

    def figure(self, answered: int, seconds: float) -> Figure:
        """The figure of a load that has just ended. Raises Spoiled when an answer has no record behind it."""
        time.sleep(SETTLING)
        service, postgres = (after - before for before, after in zip(self._cpu, self._read_cpu(), strict=True))
        recorded, commits = (after - before for before, after in zip(self._counts, self._read_counts(), strict=True))
        if not answered or recorded < answered:
            raise Spoiled(f"{answered} deductions were answered, and {recorded} recorded")
        micro = 1e6 / recorded
        costs = service * micro, postgres * micro
        return Figure(self._sync, answered / seconds, *costs, recorded / max(commits, 1))


ONE_CREDIT = '"amount":1'
"""What a deduction asks for, as the beginning of its body."""


def http_load(
    stand: Stand,
    service: Running,
    *,
    connections: int,
    seconds: int,
    accounts: int = ACCOUNTS,
    commands: int = 0,
    word: str = "account",
    members: int = 0,
    asked: str = ONE_CREDIT,
    keys: Path | None = None,
) -> Figure:
    """wrk on a service: `commands` in each request, or (0) deductions by themselves, with the fields of `asked`.

    The names of the accounts begin with `word`, and each deduction names one of so many `members`, or (0) none. With
    a file of `keys`, one of each account, each deduction comes with the verification of one.
    """
    meter = _Meter(stand, stand.ours if service.rival.ours else stand.yardstick, service.pid)
    arguments = [str(accounts), str(commands), stand.fresh_prefix(), stand.api_key, word, str(members), asked]
    arguments += [] if keys is None else [str(keys)]
    result = _wrk(SCRIPT, service, connections, seconds, arguments)
    figure = meter.figure(result["requests"] * max(commands, 1), result["microseconds"] / 1e6)
    return replace(figure, p99=result["p99"] / 1e3)


def warm_up(
    stand: Stand, service: Running, *, connections: int, seconds: int, accounts: int = ACCOUNTS, commands: int = 0
) -> dict[str, int]:
    """The same load; what wrk counted, which may be nothing yet."""
    arguments = [str(accounts), str(commands), stand.fresh_prefix(), stand.api_key, "account", "0", ONE_CREDIT]
    return _wrk(SCRIPT, service, connections, seconds, arguments)


def questions_load(
    stand: Stand, service: Running, path: str, *, connections: int, seconds: int, accounts: int
) -> Figure:
    """wrk on a service: one question of each account after the other, `path` behind the account."""
    meter = _Meter(stand, stand.ours if service.rival.ours else stand.yardstick, service.pid)
    result = _wrk(QUESTIONS, service, connections, seconds, [str(accounts), path, stand.api_key])
    return meter.figure_of_questions(result["requests"], result["microseconds"] / 1e6)


def _wrk(script: Path, service: Running, connections: int, seconds: int, arguments: Sequence[str]) -> dict[str, int]:
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=20s", f"-s{script}"]
    said = _output(["wrk", *options, f"http://127.0.0.1:{service.port}/", "--", *arguments])
    result: dict[str, int] = json.loads(_found(r"RESULT (\{.*\})", said))
    if result["refused"] or result["broken"]:
        raise Spoiled(f"{service.rival} did not answer everything with success:\n{said}")
    return result


def function_load(stand: Stand, *, clients: int, seconds: int) -> Figure:
    """pgbench on the yardstick's function."""
    meter = _Meter(stand, stand.yardstick, None)
    options = ["-n", "-Mprepared", f"-c{clients}", "-j2", f"-T{seconds}", f"-Daccounts={ACCOUNTS}", f"-f{FUNCTION}"]
    said = _output([str(stand.programs / "pgbench"), *options, stand.yardstick.conninfo])
    if int(_found(r"number of failed transactions: (\d+)", said)):
        raise Spoiled(f"pgbench had failures:\n{said}")
    answered = int(_found(r"transactions actually processed: (\d+)", said))
    return meter.figure(answered, answered / float(_found(r"tps = ([\d.]+)", said)))


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(
        command, env=clean_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Spoiled(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise Spoiled(f"this was expected to hold {pattern!r}:\n{text}")
    return match[1]
