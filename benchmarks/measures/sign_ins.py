"""`sign-ins`: deductions at half the peak rate while people sign in with passwords, against the same without them.

Two turns in each round, in the other order in every second round. A hash takes a processor for tens of milliseconds;
the service makes one at a time, in a thread that gives way.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from statistics import median
from threading import Event, Thread

import psycopg
from argon2 import PasswordHasher

from benchmarks.bench import OURS, Bench
from benchmarks.progress import Spoiled, say
from benchmarks.report import Row, at_most
from benchmarks.services import Running, running
from benchmarks.stand import Stand
from benchmarks.steady import steady_load

MOST = 1.10
PEOPLE = 4
"""Who sign in at the same time, each again as soon as they are in."""
PASSWORD = "a password of the benchmark"
EMAIL = "ada@example.com"
SETTINGS = {"CREDIT_LEDGER_REGISTRATION": "open"}


def sign_ins(bench: Bench) -> None:
    """With one worker, at half of what that reached in `single`."""
    rate = round(bench.peak() / 2)
    turns: dict[str, list[float]] = {"alone": [], "beside": []}
    signed_in = 0
    with running(bench.stand, OURS[0], SETTINGS) as service:
        make_user(bench.stand)
        bench.warm_up(service)
        for number in range(bench.pace.rounds):
            for word in sorted(turns, reverse=number % 2 == 1):
                say(f"sign-ins, round {number + 1} of {bench.pace.rounds}: {rate:,} deductions a second, {word}")
                with signing_in(service, PEOPLE if word == "beside" else 0) as done:
                    found = steady_load(bench, service, rate, bench.pace.latency_seconds)
                turns[word].append(found["p99"])
                signed_in += len(done)
    _report(bench, turns, signed_in / (bench.pace.rounds * bench.pace.latency_seconds))


def make_user(stand: Stand) -> None:
    """A user with a password and an account, as a registration makes it."""
    hashed = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(PASSWORD)
    with psycopg.connect(stand.ours.conninfo) as connection:
        connection.execute(
            "INSERT INTO people.users"
            " (user_id, email, name, email_verified_at, password_hash, password_set_at, created_at, account_opened_at)"
            " VALUES ('usr_00000000000000000000', %s, '', now(), %s, now(), now(), now()) ON CONFLICT DO NOTHING",
            [EMAIL, hashed],
        )


@contextmanager
def signing_in(service: Running, people: int) -> Iterator[list[int]]:
    """So many people sign in, again and again, until the block ends; the statuses of their answers.

    Raises Spoiled if anybody was refused.
    """
    over, done = Event(), list[int]()
    threads = [Thread(target=_sign_in_again, args=(service.port, over, done)) for _ in range(people)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        over.set()
        for thread in threads:
            thread.join()
    if people and (not done or set(done) != {200}):
        raise Spoiled(f"sign-ins were answered {sorted(set(done))}")


def _sign_in_again(port: int, over: Event, done: list[int]) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    body = json.dumps({"email": EMAIL, "password": PASSWORD})
    while not over.is_set():
        connection.request("POST", "/api/auth/login", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        done.append(answer.status)
    connection.close()


def _report(bench: Bench, turns: dict[str, list[float]], a_second: float) -> None:
    alone, beside = median(turns["alone"]), median(turns["beside"])
    bench.report.add(
        Row(
            f"p99 of single deductions at half the peak rate while {PEOPLE} people sign in ({a_second:.1f} a second)",
            f"{beside:.1f} ms",
            f"(nobody signs in: {alone:.1f} ms)",
            f"{beside / alone:.2f}",
            f"{MOST}",
            at_most(beside / alone, MOST),
        )
    )
