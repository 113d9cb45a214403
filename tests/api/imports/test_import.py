"""`credit-ledger import`: a real database, a real process where it is stopped, and, where it is at hand, the usage of a
real service.

Whatever happens to an import, running it again leads to the same ledger: that is what most of these tests are about.
"""

import os
import pty
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.store.records.sealing import unseal
from tests.api.imports.conftest import Imported, documented
from tests.api.imports.importer import Importer, Run
from tests.long_form import times
from tests.postgres import owner
from tests.service import Service
from tests.trace import ACCOUNTS, PRICE, expected, make_trace, real_trace

SUBSCRIPTION, PERMANENT = 300, 10_000
REAL_TOTAL = 355_720

OPTIONS = ["--account", "user-{row % 500}", "--amount", PRICE, "--time", "TIMESTAMP"]
OPTIONS += ["--usage", "input_tokens=ContextTokens", "--usage", "output_tokens=GeneratedTokens", "--usage", "model=gpt"]
OPENING = ["--open-subscription", str(SUBSCRIPTION), "--open-permanent", str(PERMANENT)]

SMALL = "customer,n,when\nann,5,2026-01-01\nbob,0,2026-01-02\nann,7,2026-01-03T10:00:00Z\n\nann,200,2026-01-03\n"
SIMPLE = ["--account", "{customer}", "--amount", "n"]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.csv"
    path.write_text(SMALL)
    return path


def assert_complete(importer: Importer, trace: Path) -> None:
    """Each row once, paid from the right lots, and nothing else."""
    right = expected(trace)
    assert importer.draws() == right.draws(SUBSCRIPTION)
    assert importer.types() == {
        "AccountOpened": ACCOUNTS,
        "CreditsGranted": 2 * ACCOUNTS,
        "CreditsDeducted": len(right.prices),
    }


# The real job.


def test_the_real_trace_is_at_hand(trace: Path) -> None:
    """The total of the usage file, with which every other test of this file compares."""
    if real_trace() is None:
        pytest.skip("no real trace (CREDIT_LEDGER_TEST_SHARED): imports are tested on a trace that is made up")
    right = expected(trace)
    assert len(right.prices) == 19_366
    assert right.total == REAL_TOTAL
    assert all(right.spent(account) > SUBSCRIPTION for account in range(ACCOUNTS))


def without_time(printed: str) -> str:
    return re.sub(r"in \d+\.\d s", "in no time", printed)


def test_the_first_documented_command(importer: Importer, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "importing.md").read_text()
    (tmp_path / "november.csv").write_text(page.split("```csv\n")[1].split("```")[0])
    options, printed = documented(0)
    assert without_time(importer.run(tmp_path / "november.csv", *options).out) == without_time(printed)


def test_a_trace_is_imported_and_again_changes_nothing(imported: Imported, trace: Path, tmp_path: Path) -> None:
    """By the command in the docs, which print what it prints. In every run, its beginning is imported again."""
    right, importer = expected(trace), Importer(imported.conninfo)
    options, printed = documented(1)
    if trace == real_trace():
        assert without_time(imported.printed) == without_time(printed)
    assert_complete(importer, trace)

    log = importer.log()
    again = tmp_path / trace.name
    again.write_bytes(b"".join(trace.read_bytes().splitlines(keepends=True)[: times(4_001, len(right.prices) + 1)]))
    prices = expected(again).prices
    second = importer.run(again, *options, "--json")
    assert second.status == 0
    counts = {"rows": len(prices), "deducted": 0, "replayed": len(prices), "skipped": 0, "refused": 0}
    credits = {"deducted": 0, "replayed": sum(prices), "together": sum(prices), "uncollected": 0}
    wanted = counts | {"accounts_opened": 0, "stopped": None, "credits": credits}
    assert {name: second.report[name] for name in wanted} == wanted
    assert importer.log() == log


def test_an_event_tells_where_it_came_from(importer: Importer, tmp_path: Path) -> None:
    trace = make_trace(tmp_path / "trace.csv", rows=1_200)
    right = expected(trace)
    assert importer.run(trace, *OPTIONS, *OPENING).status == 0
    events = importer.rows(
        "SELECT account_id, key, data, metadata FROM ledger.event_log JOIN ledger.text_keys USING (account_id)"
        " WHERE type = 'CreditsDeducted'"
    )
    found = {
        int(metadata["idempotency_key"].removeprefix("import:trace.csv:")): data
        | {"metadata": unseal(key, account_id, data["metadata"])}
        for account_id, key, data, metadata in events
    }
    assert sorted(found) == list(range(1_200))
    for number, data in found.items():
        assert data["task_id"] == f"trace.csv-{number}"
        assert data["metadata"] == {"occurred_at": right.times[number]}
        assert data["amount"] == right.prices[number]
        usage = data["usage"]
        assert (usage["input_tokens"] + 3 * usage["output_tokens"] + 99) // 100 == right.prices[number]
        assert usage["model"] == "gpt"


def test_rows_of_one_account_are_recorded_in_their_order(importer: Importer, tmp_path: Path) -> None:
    trace = make_trace(tmp_path / "trace.csv", rows=3_000)
    assert importer.run(trace, "--account", "all", "--amount", "1", "--open-permanent", "5000").status == 0
    tasks = importer.rows(
        "SELECT data ->> 'task_id' FROM ledger.event_log WHERE type = 'CreditsDeducted' ORDER BY version"
    )
    assert [task for (task,) in tasks] == [f"trace.csv-{number}" for number in range(3_000)]


# Whatever happens to it.


def test_killed_at_random_points_and_run_again(importer: Importer, tmp_path: Path) -> None:
    random, rows = Random(4), times(2_000, 20_000)
    trace = make_trace(tmp_path / "trace.csv", rows)
    for events in sorted(random.randrange(1, rows) for _ in range(times(2, 4))):
        run = importer.start(trace, *OPTIONS, *OPENING)
        importer.wait_for_events(events, run)
        run.signal(signal.SIGKILL)
        run.finish()
    last = importer.run(trace, *OPTIONS, *OPENING, "--json")
    assert last.status == 0
    assert last.report["credits"]["together"] == expected(trace).total
    assert_complete(importer, trace)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_cleanly_and_run_again(importer: Importer, tmp_path: Path, number: signal.Signals) -> None:
    trace = make_trace(tmp_path / "trace.csv", rows=3_000)
    with psycopg.connect(importer.conninfo) as other:
        other.execute("SELECT ledger.lock_appends()")  # what is sent is recorded after the signal
        run = importer.start(trace, *OPTIONS, *OPENING)
        importer.wait_until_it_records(run)
        run.signal(number)
        run.wait_until_it_says("stopping")
    stopped = run.finish()
    assert stopped.status == 130, stopped
    assert "stopping: rows that are sent are finished" in stopped.err
    assert "of 3,000 rows left: it was interrupted." in stopped.out
    assert "Run the same command again to continue" in stopped.out
    done = importer.types()["CreditsDeducted"]
    again = importer.run(trace, *OPTIONS, *OPENING, "--json")
    assert (again.status, again.report["replayed"]) == (0, done)
    assert_complete(importer, trace)


def test_connections_that_break_around_commits_change_nothing(importer: Importer, tmp_path: Path) -> None:
    """Their answers are lost, and the outcome is known from the receipts."""
    rows = times(2_500, 10_000)
    trace = make_trace(tmp_path / "trace.csv", rows)
    run = importer.start(trace, *OPTIONS, *OPENING, "--json")
    importer.wait_for_events(1, run)
    ended = sum(end_connections(importer.conninfo, run))
    done = run.finish()
    assert (done.status, ended > 0) == (0, True), done
    # An answer that was lost is still the answer to this run.
    assert (done.report["deducted"], done.report["replayed"]) == (rows, 0)
    assert_complete(importer, trace)


def end_connections(conninfo: str, run: Run) -> Iterator[int]:
    """End all connections to a database, some times within about two seconds of a run."""
    name = conninfo_to_dict(conninfo)["dbname"]
    end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"
    pause = 0.02
    with psycopg.connect(make_conninfo(owner(conninfo), dbname="postgres"), autocommit=True) as connection:
        for _ in range(15):
            if run.over():
                return
            row = connection.execute(end, [name]).fetchone()
            yield row[0] if row else 0
            time.sleep(pause)
            pause *= 1.3


def test_beside_a_running_service(service: Service, tmp_path: Path) -> None:
    """Both write to the same accounts at the same time, and neither loses or invents a credit."""
    importer = Importer(service.conninfo)
    trace = make_trace(tmp_path / "beside.csv", rows=times(1_000, 4_000))
    accounts = [service.open_account(permanent=1_000_000) for _ in range(4)]
    for position, account in enumerate(accounts):  # the service has seen them, and will be behind
        service.post(f"/v1/accounts/{account}/deductions", {"amount": 1, "task_id": f"before-{position}"})
    prefix, first = accounts[0].rsplit("-", 1)

    deducted: list[int] = []
    with deducting(service, accounts, deducted.append):
        options = ["--account", f"{prefix}-{{{first} + row % 4}}", "--amount", PRICE]
        done = importer.run(trace, *options, "--json")
    assert done.status == 0
    assert done.report["credits"]["deducted"] == expected(trace).total
    assert len(deducted) > 10
    balances = [service.get(f"/v1/accounts/{account}/balance").json()["available"] for account in accounts]
    assert sum(balances) == 4 * 1_000_000 - 4 - sum(deducted) - expected(trace).total


@contextmanager
def deducting(service: Service, accounts: list[str], note: Callable[[int], None]) -> Iterator[None]:
    """Deduct over HTTP, again and again, until the block ends."""
    over = threading.Event()

    def deduct() -> None:
        number = 0
        while not over.is_set():
            number += 1
            path = f"/v1/accounts/{accounts[number % len(accounts)]}/deductions"
            if service.post(path, {"amount": 3, "task_id": f"http-{number}"}).status_code == 201:
                note(3)

    thread = threading.Thread(target=deduct)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)


# Refusals.


def test_refused_rows_are_counted_and_named_and_can_be_run_again(importer: Importer, small: Path) -> None:
    missing = importer.run(small, *SIMPLE)
    assert missing.status == 1
    assert "3 rows refused, account_not_found: open these accounts first, or use the --open options." in missing.out
    assert importer.log() == []

    poor = importer.run(small, *SIMPLE, "--open-permanent", "20")
    assert poor.status == 1
    assert "1 row refused, insufficient_credits: after a top-up, run the same command again" in poor.out
    assert "row 3 (line 6), account 'ann': 200 credits are required and 8 are available." in poor.out

    report = importer.run(small, *SIMPLE, "--json").report
    assert report["refused_by_code"] == {"insufficient_credits": 1}
    assert report["credits"] == {"deducted": 0, "replayed": 12, "together": 12, "uncollected": 0}
    assert report["skipped"] == 1
    refused = report["first_refused"][0]
    assert (refused["row"], refused["account_id"], refused["amount"], refused["shortfall"]) == (3, "ann", 200, 192)


def test_the_first_twenty_refused_rows_are_listed(importer: Importer, tmp_path: Path) -> None:
    trace = make_trace(tmp_path / "trace.csv", rows=100)
    done = importer.run(trace, *OPTIONS)
    assert done.status == 1
    assert "100 rows refused, account_not_found" in done.out
    assert done.out.count("There is no account") == 20
    assert "and 80 more" in done.out


def test_stop_on_refusal(importer: Importer, small: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("customer,n\nnobody,1\n" + "ann,1\n" * 20_000)
    assert importer.run(small, "--account", "ann", "--amount", "1", "--open-permanent", "9").status == 0
    done = importer.run(path, *SIMPLE, "--stop-on-refusal", "--json")
    assert done.status == 1
    assert done.report["stopped"] == "refused"
    assert done.report["rows"] < done.report["rows_in_file"] == 20_001


def test_the_same_job_with_other_options_is_refused_clearly(importer: Importer, small: Path) -> None:
    assert importer.run(small, *SIMPLE, "--open-permanent", "1000").status == 0
    log = importer.log()
    dearer = importer.run(small, "--account", "{customer}", "--amount", "2 * n", "--time", "when")
    assert dearer.status == 1
    assert "3 rows refused, idempotency_key_reused: an earlier run of this job has imported these rows" in dearer.out
    assert "Another file is another job: name it with --job." in dearer.out
    assert "It differs in amount, metadata." in dearer.out
    assert importer.log() == log
    assert importer.run(small, *SIMPLE, "--job", "another").status == 0
    assert importer.draws() == {("ann", "permanent"): 2 * 212}


def test_what_there_is_is_taken_and_the_rest_is_uncollected(importer: Importer, small: Path) -> None:
    """Also of rows that an earlier run refused; what is recorded is replayed, whatever the option says."""
    assert importer.run(small, *SIMPLE, "--open-permanent", "20").status == 1
    wrong = importer.run(small, *SIMPLE, "--on-shortfall", "draw")
    assert (wrong.status, "--on-shortfall: 'draw' must be reject or available" in wrong.err) == (2, True)

    short = ["--on-shortfall", "available"]
    asked = importer.ask(small, *SIMPLE, *short).err
    assert "From 1 account what there is would be taken, and 192 credits be uncollected:" in asked
    assert "  'ann': 200 credits, 192 of them uncollected" in asked
    assert "The ledger would refuse none of them." in asked

    report = importer.run(small, *SIMPLE, *short, "--json").report
    assert (report["deducted"], report["replayed"], report["refused"], report["uncollected"]) == (1, 2, 0, 1)
    assert report["credits"] == {"deducted": 8, "replayed": 12, "together": 20, "uncollected": 192}
    assert importer.draws() == {("ann", "permanent"): 20}
    log = importer.log()
    for options in (short, []):
        again = importer.run(small, *SIMPLE, *options)
        assert again.status == 0
        assert "uncollected         1 rows          192 credits  they cost more than was available" in again.out
    assert importer.log() == log

    path = small.with_name("nothing.csv")
    path.write_text("customer,n\nann,3\n")
    assert importer.run(path, *SIMPLE, *short, "--json").report["credits"]["uncollected"] == 3


# Openings.


def test_accounts_that_exist_are_granted_nothing(importer: Importer, service: Service, small: Path) -> None:
    """Neither those that others opened, even with a body like ours, nor those that an earlier import opened."""
    beside = Importer(service.conninfo)
    account = service.open_account(permanent=0)
    options = ["--account", account, "--amount", "1"]
    assert beside.run(small, *options, "--open-subscription", "50").status == 1
    assert service.get(f"/v1/accounts/{account}/balance").json()["total"] == 0

    assert importer.run(small, *SIMPLE, "--open-signup", "5", "--open-permanent", "500").status == 0
    for grants in (["--open-subscription", "70"], ["--open-signup", "5", "--open-subscription", "70"], OPENING):
        assert importer.run(small, *SIMPLE, *grants, "--job", "second").status == 0
    granted = importer.rows(
        "SELECT account_id, data ->> 'source', (data ->> 'amount')::int FROM ledger.event_log "
        "WHERE type = 'CreditsGranted' ORDER BY position"
    )
    assert granted == [("ann", "signup", 5), ("ann", "adjustment", 500)]


# What it shows.


def test_a_dry_run_needs_no_database(small: Path) -> None:
    nowhere = Importer("host=127.0.0.1 port=1 dbname=nothing")
    done = nowhere.run(small, *SIMPLE, "--dry-run")
    assert done.status == 0
    assert "a dry run, nothing is recorded" in done.out
    assert done.out.splitlines()[1].split() == ["to", "deduct", "3", "rows", "212", "credits"]
    report = nowhere.run(small, *SIMPLE, "--dry-run", "--json").report
    assert (report["dry_run"], report["rows"], report["skipped"], report["credits"]["deducted"]) == (True, 4, 1, 212)

    real = nowhere.run(small, *SIMPLE)
    assert real.status == 1
    assert real.err.startswith("credit-ledger: the database cannot be reached")


def test_a_bar_for_a_terminal(importer: Importer, tmp_path: Path) -> None:
    trace = make_trace(tmp_path / "trace.csv", rows=1_500)
    ours, theirs = pty.openpty()
    run = importer.start(trace, *OPTIONS, *OPENING, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65_536):
            shown += part
    except OSError:  # how the end of a terminal is told
        os.close(ours)
    assert run.finish().status == 0
    assert b"recording (rows)" in shown
    assert "━".encode() in shown
