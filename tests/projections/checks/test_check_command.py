"""`credit-ledger check` and what a running service says: real processes on a real database."""

import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.commands import Finished, command
from tests.long_form import LONG
from tests.postgres import TestServer, owner
from tests.projections.stored import number_of
from tests.service import running_service


def check(database: str, *options: str) -> Finished:
    """`credit-ledger check`."""
    return command(database, "check", *options)


def run(database: str, statement: str) -> None:
    with psycopg.connect(owner(database)) as connection:
        connection.execute(statement.encode())


def test_nothing_is_wrong(busy: str) -> None:
    done = check(busy)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("checked 13 accounts with ")
    assert done.out.endswith("0 differences\n")
    some = check(busy, "--accounts", "3", "--json").report
    assert (some["status"], some["accounts"], some["differences"], some["first"]) == ("clean", 3, 0, [])
    assert set(some["positions"]) == {
        "balances",
        "history",
        "rollups",
        "usage",
        "payments",
        "subscriptions",
        "uncollected",
    }
    everything = check(busy, "--all", "--json").report
    assert (everything["status"], everything["accounts"], everything["totals"]) == ("clean", 13, True)
    end = everything["log_position"]
    assert everything["events"] == end
    names = ["balances", "history", "rollups", "usage", "payments", "subscriptions", "uncollected", "statistics"]
    assert everything["positions"] == {name: {"lowest": end, "highest": end} for name in names}


def test_what_is_wrong_is_told_and_is_the_status(busy: str) -> None:
    run(
        busy,
        f"UPDATE projection_history.entry_rows SET description = 'x' WHERE account = {number_of('ada', 'history')}",
    )
    run(busy, f"DELETE FROM projection_usage.usage_rows WHERE account = {number_of('quiet-3', 'usage')}")
    run(busy, f"DELETE FROM projection_usage.usage_rows WHERE account = {number_of('bob', 'usage')}")
    done = check(busy)
    assert done.status == 1
    assert "account ada: history.entries (recorded_at " in done.out
    assert "description is x, expected sealed:" in done.out
    assert "account bob: usage.usage (" in done.out
    told = check(busy, "--json")
    assert told.status == 1
    report = told.report
    assert report["status"] == "drift"
    assert report["differences"] == len(report["first"]) > 5
    assert {(one["account_id"], one["projection"]) for one in report["first"]} == {("ada", "history"), ("bob", "usage")}
    assert check(busy, "quiet-1", "quiet-3").status == 0
    assert check(busy, "quiet-1", "ada").status == 1


def test_many_differences_are_counted_and_the_first_are_told(busy: str) -> None:
    run(busy, "UPDATE projection_balances.accounts SET opened_at = now()")
    run(busy, "UPDATE projection_balances.grants SET source = 'x'")
    done = check(busy)
    count = check(busy, "--json").report["differences"]
    assert done.status == 1
    assert count > 22
    assert f"{count} differences:\n" in done.out
    assert done.out.count("account ") == 20
    assert done.out.endswith(f"and {count - 20} more\n")


def test_sums_that_do_not_agree_are_found_with_all_alone(busy: str) -> None:
    run(busy, "UPDATE projection_statistics.statistics SET granted = granted + 7")
    assert check(busy).status == 0
    done = check(busy, "--all")
    assert done.status == 1
    assert "all accounts: statistics.statistics (bucket " in done.out
    assert check(busy, "--all", "--json").report["first"][0]["account_id"] is None


def test_what_cannot_be_checked_has_a_status_of_its_own(busy: str) -> None:
    run(busy, "DROP SCHEMA projection_rollups CASCADE")
    done = check(busy)
    assert done.status == 3
    assert "not checked: rollups: it is not built" in done.out
    assert check(busy, "--all", "--json").report["unchecked"].keys() == {"rollups"}
    run(busy, "UPDATE projection_balances.accounts SET opened_at = now()")
    assert check(busy).status == 1, "what differs is worse"
    nobody = check(busy, "nobody", "--json")
    assert (nobody.status, nobody.report["unchecked"]["account nobody"]) == (3, "there is no such account")


def test_no_database_is_no_difference(server: TestServer) -> None:
    with server.database() as database:
        pass
    done = check(database)
    assert done.status == 3
    assert "the database cannot be reached" in done.err


def test_wrong_options(database: str) -> None:
    for options in (["--all", "ada"], ["--all", "--accounts", "5"], ["--accounts", "0"], ["--most"]):
        assert check(database, *options).status == 2, options


def test_a_ledger_without_events_is_clean(database: str) -> None:
    assert check(database, "--all").status == check(database).status == 0


@pytest.mark.parametrize("workers", [1, 2] if LONG else [2])  # one has the same page from the same rows
def test_a_running_service_finds_damage_and_sees_it_mended(database: str, tmp_path: Path, workers: int) -> None:
    with running_service(database, tmp_path, workers=workers) as service:
        strange = 'we"ird\\one'
        assert service.post("/v1/accounts", {"account_id": strange, "signup_credits": 50}).status_code == 201
        account = service.open_account(permanent=100)
        eventually(lambda: _figure(service.get("/metrics").text, "credit_ledger_checked_accounts_total") >= 4)
        assert _figure(service.get("/metrics").text, "credit_ledger_check_rounds_total") >= 1
        assert "\ncredit_ledger_drift 0.0\n" in service.get("/metrics").text
        damage = "UPDATE projection_balances.accounts SET opened_at = opened_at {} interval '1 second'"
        run(database, damage.format("-"))
        named = f'\ncredit_ledger_drift{{account_id="{account}",projection="balances"}} 1.0\n'
        escaped = '\ncredit_ledger_drift{account_id="we\\"ird\\\\one",projection="balances"} 1.0\n'
        eventually(lambda: named in service.get("/metrics").text and escaped in service.get("/metrics").text)
        assert "\ncredit_ledger_drift 0.0\n" not in service.get("/metrics").text
        assert (
            f"projection balances has drifted at position 4: account {account}: balances.accounts "
            in service.log.read_text()
        )
        assert check(database).status == 1
        run(database, damage.format("+"))
        eventually(lambda: "\ncredit_ledger_drift 0.0\n" in service.get("/metrics").text)
        assert check(database, "--all").status == 0


def _figure(text: str, name: str) -> float:
    found = [float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} ")]
    assert len(found) == 1
    return found[0]


def eventually(condition: Callable[[], bool], patience: float = 240) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
