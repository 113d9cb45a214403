"""`credit-ledger grant`: each account of a job gets its grant once, however often the job is run and cut off."""

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import psycopg
import pytest

from tests.api.stage import Json, eventually, fresh
from tests.commands import PROGRAM, Finished, command, environment_for
from tests.service import ADMIN_KEY, Service

PAGE = Path(__file__).parents[3] / "docs" / "granting.md"


def opened(service: Service, *names: str, **labels: str) -> list[str]:
    """New accounts with some labels and no credits, which the list of accounts has."""
    answers = [
        service.post("/v1/accounts", {"account_id": name, "signup_credits": 0, "labels": labels}) for name in names
    ]
    assert {answer.status_code for answer in answers} == {201}
    position = answers[-1].json()["position"]
    eventually(lambda: service.get("/v1/accounts", min_position=position, limit=1).status_code == 200)
    return list(names)


def run(service: Service, *options: Any) -> Finished:
    return command(service.conninfo, "grant", *options)


def report(service: Service, *options: Any, status: int = 0) -> Json:
    done = run(service, *options, "--yes", "--json")
    assert done.status == status, done.err
    found: Json = done.report
    return found


def counts(found: Json) -> tuple[int, int, int, int]:
    return found["granted"], found["replayed"], found["refused"], found["credits"]


def totals(service: Service, accounts: list[str]) -> list[int]:
    return [service.get(f"/v1/accounts/{quote(name, safe='')}/balance").json()["total"] for name in accounts]


def test_everybody_with_the_labels_gets_it_once(service: Service) -> None:
    plan, job = fresh("plan"), fresh("job")
    pro = opened(service, *(fresh("org/pro") for _ in range(3)), plan=plan, region="eu")
    others = opened(service, fresh(), plan=plan) + opened(service, fresh(), region="eu")
    closed = opened(service, fresh(), plan=plan, region="eu")
    assert service.post(f"/v1/accounts/{closed[0]}/close", {}, key="c").status_code == 201
    options = ("--label", f"plan={plan}", "--label", "region=eu", "--amount", "50", "--job", job)

    dry = report(service, *options, "--dry-run")
    assert (dry["dry_run"], counts(dry)) == (True, (3, 0, 0, 150))
    assert totals(service, pro) == [0, 0, 0]
    assert counts(report(service, *options)) == (3, 0, 0, 150)
    assert counts(report(service, *options)) == (0, 3, 0, 0)
    assert totals(service, pro) == [50] * 3
    assert totals(service, others + closed) == [0] * 3
    events = service.get(f"/v1/accounts/{quote(pro[0], safe='')}/events").json()["events"]
    assert (events[-1]["data"]["source"], events[-1]["metadata"]["idempotency_key"]) == ("promotion", f"job:{job}")
    assert events[-1]["metadata"]["actor"].startswith("operator:")


def test_the_accounts_are_those_of_the_beginning_unless_new_ones_are_asked_for(service: Service) -> None:
    plan, job = fresh("plan"), fresh("job")
    options = ("--label", f"plan={plan}", "--amount", "7", "--job", job)
    first = opened(service, fresh(), fresh(), plan=plan)
    assert counts(report(service, *options)) == (2, 0, 0, 14)
    left = service.post(f"/v1/accounts/{first[0]}", {"labels": {"plan": None}}, key="leaves").json()
    later = opened(service, fresh(), plan=plan)
    assert left["position"]
    assert counts(report(service, *options)) == (0, 2, 0, 0), "who left is in it, and who came is not"
    assert counts(report(service, *options, "--include-new", "--dry-run")) == (1, 2, 0, 7)
    assert counts(report(service, *options, "--include-new")) == (1, 2, 0, 7)
    assert counts(report(service, *options)) == (0, 3, 0, 0), "it stays in the job"
    assert totals(service, first + later) == [7] * 3
    assert counts(report(service, *options[:-1], fresh("job"))) == (2, 0, 0, 14)


def test_a_label_that_nobody_has_begins_no_job(service: Service) -> None:
    """A misspelt label would else make a job for nobody, for ever."""
    plan = fresh("plan")
    options = ("--label", f"plan={plan}", "--amount", "7", "--job", fresh("job"))
    done = run(service, *options, "--yes")
    assert (done.status, done.out) == (1, "")
    assert f"no account that is not closed has the labels plan={plan}; nothing is granted" in done.err
    opened(service, fresh(), plan=plan)
    assert counts(report(service, *options)) == (1, 0, 0, 7)


def test_a_file_names_the_accounts_and_refusals_are_told(service: Service, tmp_path: Path) -> None:
    file, job, nobody = tmp_path / "accounts.txt", fresh("job"), fresh("nobody")
    divided = f"{fresh()}\u2028{(victim := fresh())}"
    assert opened(service, victim) == [victim], "half of the id of another account, which a line separator divides"
    there = opened(service, fresh("ünï"), fresh(), divided)
    file.write_text(f"\ufeff{there[0]}\n\n  {nobody}\r\n{there[1]}\n{there[0]}\n{divided}\n")
    options = ("--to", file, "--amount", "5", "--kind", "subscription", "--job", job)
    done = report(service, *options, status=1)
    assert (done["accounts"], counts(done)) == (4, (3, 0, 1, 15))
    assert done["refused_by_code"] == {"account_not_found": 1}
    assert done["first_refused"][0]["account_id"] == nobody
    opened(service, nobody)
    assert counts(report(service, *options)) == (1, 3, 0, 5), "a refusal does not use up the key"
    told = run(service, *options, "--yes")
    assert re.fullmatch(
        rf"{job}: 4 accounts in \d+\.\d s\n"
        r"  granted              0 accounts                0 credits\n"
        r"  replayed             4 accounts  they had it from an earlier run\n"
        r"  refused              0 accounts\n",
        told.out,
    )
    assert totals(service, [victim]) == [0]


def test_a_job_has_one_set_of_terms(service: Service, tmp_path: Path) -> None:
    file, job = tmp_path / "accounts.txt", fresh("job")
    [account] = opened(service, fresh())
    file.write_text(account)
    options = ["--to", file, "--job", job, "--yes"]
    assert run(service, *options, "--amount", "5").status == 0
    other = run(service, *options, "--amount", "6", "--source", "topup")
    assert (other.status, other.out) == (1, "")
    assert f"the job '{job}' was begun with another value of amount, source; " in other.err
    labelled = run(service, "--label", "plan=pro", *options[2:], "--amount", "5")
    assert "another value of labels" in labelled.err
    text = run(service, *options, "--amount", "5", "--description", "new")
    assert (text.status, "idempotency_key_reused" in text.out) == (1, True)
    assert totals(service, [account]) == [5]


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ((), 2, "either --to FILE or --label"),
        (("--to", "x", "--label", "a=b"), 2, "either --to FILE or --label"),
        (("--label", "plan"), 2, "must be NAME=VALUE"),
        (("--label", "a b=c"), 2, "--label: "),
        (("--label", "a=b", "--amount", "0"), 2, "--amount "),
        (("--label", "a=b", "--expires-at", "2099-01-01"), 2, "--expires-at "),
        (("--label", "a=b", "--job", "é"), 2, "--job must have"),
        (("--to", "no-such-file"), 1, "cannot be read"),
    ],
)
def test_options_that_are_wrong(service: Service, options: tuple[str, ...], status: int, said: str) -> None:
    done = run(service, "--amount", "1", "--job", "never", *options)
    assert (done.status, done.out) == (status, "")
    assert said in done.err


def test_a_line_that_is_no_id_is_named(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "accounts.txt"
    file.write_text("ada\n..\n" + "x" * 129 + "\n")
    done = run(service, "--to", file, "--amount", "1", "--job", "never", "--yes")
    assert done.status == 1
    assert "line 2: " in done.err
    assert "line 3: " in done.err


def test_it_asks_first(service: Service, tmp_path: Path) -> None:
    file, job = tmp_path / "accounts.txt", fresh("job")
    [account] = opened(service, fresh())
    file.write_text(account)
    words = ("grant", "--to", file, "--amount", "1", "--job", job)
    refused = command(service.conninfo, *words, said="n\n")
    assert refused.status == 1
    assert f"Job '{job}' grants 1 permanent credit to each of 1 account. Continue?" in refused.err
    assert totals(service, [account]) == [0]
    assert command(service.conninfo, *words, said="y\n").status == 0
    assert totals(service, [account]) == [1]


def test_a_run_that_is_killed_goes_on(service: Service, tmp_path: Path) -> None:
    """Killed at a moment when some grants are recorded and others are not; the next run makes each of them once."""
    plan, job = fresh("plan"), fresh("job")
    names = [f"{fresh('many')}-{number}" for number in range(1_200)]
    commands = [{"op": "open", "account_id": name, "signup_credits": 0, "labels": {"plan": plan}} for name in names]
    results = all_done(service, commands)
    position = results[-1]["position"]
    eventually(lambda: service.get("/v1/accounts", min_position=position, limit=1).status_code == 200)
    options = ["--label", f"plan={plan}", "--amount", "3", "--job", job, "--yes", "--json"]
    granted = f"SELECT count(*) FROM ledger.receipts WHERE idempotency_key = 'job:{job}'"
    killed = cut_off(service, ["grant", *options], granted)
    assert killed > 0
    done = report(service, *options[:-2])
    assert done["accounts"] == done["granted"] + done["replayed"] == len(names)
    assert done["replayed"] >= killed
    assert set(totals(service, names[::100])) == {3}


def all_done(service: Service, commands: list[Json]) -> list[Json]:
    """The results of a batch. What a busy service was too slow for is asked for again."""
    while True:
        results: list[Json] = service.post("/v1/batch", {"commands": commands}).json()["results"]
        statuses = {result["status"] for result in results}
        assert statuses <= {200, 201, 503}
        if 503 not in statuses:
            return results


def cut_off(service: Service, words: list[str], count: str) -> int:
    """Kill the command as soon as it has granted something: how much it had granted."""
    with psycopg.connect(service.conninfo, autocommit=True) as connection:

        def granted() -> int:
            row = connection.execute(count.encode()).fetchone()
            assert row is not None
            return int(row[0])

        process = subprocess.Popen(
            [*PROGRAM, *words],
            env=environment_for(service.conninfo),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and not granted():
            time.sleep(0.002)
        process.kill()
        process.wait()
        return granted()


def test_the_documented_program_grants_the_same_job(service: Service) -> None:
    [example] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    plan, job = fresh("plan"), fresh("job")
    accounts = opened(service, *(fresh("a/b") for _ in range(3)), plan=plan)
    changed = (
        example.replace('"summer-2026"', repr(job)).replace('"pro"', repr(plan)).replace('"limit": 1_000', '"limit": 2')
    )
    assert changed.count(plan) == 1
    named = {"LEDGER_URL": service.url, "LEDGER_KEY": ADMIN_KEY, "NO_PROXY": "*"}
    with patch.dict(os.environ, named):
        for _ in range(2):
            exec(compile(changed, str(PAGE), "exec"), {})
    assert totals(service, accounts) == [50] * 3
    same = ("--label", f"plan={plan}", "--amount", "50", "--description", "A summer present", "--job", job)
    assert counts(report(service, *same)) == (0, 3, 0, 0), "the command knows the program's keys"
