"""What traces cost: microseconds of CPU for each deduction, of the service with its projector, over HTTP.

    .venv/bin/python -m benchmarks.tracing [rounds]

The service runs with one worker, without a collector and with one that reads what it gets and forgets it. Its exporter
is a part of the service and is counted; the collector is not. CPU time holds on a busy machine, where rates do not.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from threading import Thread
from typing import Any

from benchmarks.accounts import name, open_accounts
from benchmarks.processes import cpu_seconds, said_by
from benchmarks.progress import say
from benchmarks.services import Rival, running
from benchmarks.stand import Stand, standing

ACCOUNTS, CONNECTIONS, SECONDS, ROUNDS = 200, 16, 5, 3
_MODES: Mapping[str, Mapping[str, str] | None] = {
    "off": None,
    "no request": {"OTEL_TRACES_SAMPLER": "always_off"},
    "one request of a hundred": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"},
    "each request": {},
}


@contextmanager
def forgetting() -> Iterator[str]:
    """The address of a collector that forgets what it gets."""

    class Forgetting(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forgetting)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def microseconds(stand: Stand, settings: Mapping[str, str]) -> float:
    """CPU time for each deduction, after a second of them."""
    with running(stand, Rival("ledger", 1), settings) as service:
        open_accounts(stand, service, map(name, range(ACCOUNTS)))
        load(stand, service.port, 1)
        began = cpu_seconds(service.pid)
        count = load(stand, service.port, SECONDS)
        return (cpu_seconds(service.pid) - began) / count * 1e6


def load(stand: Stand, port: int, seconds: int) -> int:
    """Deduct for some seconds. Returns how many deductions were carried out."""
    options = {
        "port": port,
        "connections": CONNECTIONS,
        "seconds": seconds,
        "accounts": ACCOUNTS,
        "prefix": stand.fresh_prefix(),
    }
    found = said_by("benchmarks.closed_loop", options, {"BENCHMARK_API_KEY": stand.api_key}, 60)
    return int(found["carried_out"])


def main() -> None:
    """Print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    found: dict[str, list[float]] = {mode: [] for mode in _MODES}
    with standing(None) as stand, forgetting() as collector:
        for number in range(rounds):
            for mode, told in _MODES.items():
                say(f"round {number + 1} of {rounds}: {mode}")
                sent = {} if told is None else {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, **told}
                found[mode].append(microseconds(stand, sent))
    print("| traced | CPU for a deduction, µs | beyond `off` |")
    print("|---|---|---|")
    for mode, times in found.items():
        print(f"| {mode} | {median(times):.0f} | {median(times) - median(found['off']):+.0f} |")


if __name__ == "__main__":
    main()
