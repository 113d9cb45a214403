"""Deductions one after the other over one line, each timed."""

from time import perf_counter

from benchmarks.line import Line, deduction
from benchmarks.progress import Spoiled
from benchmarks.services import Running
from benchmarks.stand import Stand


class TimedLine:
    """A line that sends single deductions under fresh keys."""

    def __init__(self, stand: Stand, service: Running) -> None:
        self._line = Line(service.port, stand.api_key)
        self._api_key = stand.api_key
        self._prefix = stand.fresh_prefix()
        self._sent = 100_000_000

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def deduct(self, account: str) -> float:
        """Seconds that one deduction takes, from the first byte sent to the last one read."""
        self._sent += 1
        request = deduction(account, self._api_key, f"{self._prefix}{self._sent}")
        began = perf_counter()
        answer = self._line.ask(request)
        seconds = perf_counter() - began
        if answer.status != 201:
            raise Spoiled(f"a deduction from {account} was answered with {answer.status}: {answer.body[:500]!r}")
        return seconds
