"""`credit-ledger replay`: real processes on a real database, sound and damaged."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.runtime.database import as_url
from ledger.explain import streams
from ledger.explain.streams import ExplainedEvent, explain_stream
from ledger.service import Ledger
from ledger.store.feed import Feed
from ledger.store.log import EventLog
from ledger.store.records.codec import SNAPSHOT_TOPIC
from tests.conftest import Clock
from tests.postgres import TestServers, tampering
from tests.projections.busy import LIFE, Busy

HISTORY = Path(__file__).with_name("history_of_ada.txt")
"""The whole history of ada, up to a moment at which an expiry is due and not recorded. An auditor sees this text."""
END = "2026-01-06T02:00:00Z"
EVENTS = LIFE


class Finished(NamedTuple):
    """A run that is over."""

    status: int
    out: str
    err: str


def replay(database: str, *options: str) -> Finished:
    """`credit-ledger replay` in this process: starting one of its own takes longer than all that it does."""
    done = CliRunner().invoke(app, ["replay", *options], env=_environment(database))
    return Finished(done.exit_code, done.stdout, done.stderr)


def run(database: str, *options: str) -> Finished:
    """The same in a process of its own."""
    done = subprocess.run(
        _command(*options), env={**os.environ, **_environment(database)}, capture_output=True, text=True, check=False
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def _command(*options: str) -> list[str]:
    return [sys.executable, "-m", "api.cli", "replay", *options]


def _environment(database: str) -> dict[str, str]:
    return {"CREDIT_LEDGER_DATABASE_URL": as_url(database)}


def version_of(database: str, kind: str, number: int = 1) -> int:
    """The version of ada's first event of a type, or of the second or a later one."""
    query = "SELECT version FROM ledger.event_log WHERE account_id = 'ada' AND type = %s ORDER BY version"
    with psycopg.connect(database) as connection:
        found: int = connection.execute(query, [kind]).fetchall()[number - 1][0]
    return found


async def _lived(database: str) -> None:
    clock = Clock()
    async with Ledger(database, clock=clock).running() as ledger:
        await Busy(ledger, clock).live("ada")


@pytest.fixture(scope="module")
def lived(servers: TestServers) -> Iterator[str]:
    """A database in which ada has gone through everything; only to be read."""
    found = servers.get("embedded")
    assert found is not None
    with found.database() as conninfo:
        asyncio.run(_lived(conninfo))
        yield conninfo


def test_the_history_reads_as_it_should(lived: str) -> None:
    expected = Finished(0, HISTORY.read_text(), "")
    assert run(lived, "ada", "--at", END) == replay(lived, "ada", "--at", END) == expected


def test_it_ends_where_it_is_told_to(lived: str) -> None:
    whole = HISTORY.read_text()
    deducted = version_of(lived, "CreditsDeducted")
    first_few = replay(lived, "ada", "--at", str(deducted))
    assert whole.startswith(first_few.out.partition("ada after")[0])
    assert f"ada after version {deducted}\n    balance  total 130 (subscription 30, permanent 100)" in first_few.out
    at_noon = replay(lived, "ada", "--at", "2026-01-01T12:00:00Z")
    last_before_noon = version_of(lived, "DeductionReversed")
    assert f"ada after version {last_before_noon}, as of 2026-01-01 12:00:00Z\n" in at_noon.out
    at_the_moment = replay(lived, "ada", "--at", "2026-01-05T00:50:00Z")
    last_of_the_moment = version_of(lived, "AccountUnfrozen")
    assert f"ada after version {last_of_the_moment}, as of 2026-01-05 00:50:00Z\n" in at_the_moment.out
    later = replay(lived, "ada", "--at", str(deducted), "--from-version", str(deducted))
    assert later.out == first_few.out[first_few.out.index(f"\n{deducted}  ") + 1 :]
    now = replay(lived, "ada")
    assert now.out.count("not recorded by then") == 5, (
        "the hold, the start of a grant, the allowance, the end of the grant, and then the lot"
    )


def test_an_object_for_each_event_and_one_for_the_end(lived: str) -> None:
    done = replay(lived, "ada", "--json", "--at", END)
    *events, end = map(json.loads, done.out.splitlines())
    assert [event["version"] for event in events] == list(range(1, EVENTS + 2))
    assert [event["position"] for event in events] == [*range(1, EVENTS + 1), None]
    assert [event["recorded"] for event in events] == [True] * EVENTS + [False]
    assert (end["type"], end["version"], end["unsound"], end["problem"]) == ("End", EVENTS, 0, None)
    assert (end["as_of"], end["account"]["total"], end["account"]["holds"]) == (END, 723, [])


LAST = f"its last event is version {EVENTS}"
BEYOND = str(EVENTS + 1)
REFUSED = {
    ("bob",): (3, "there is no account 'bob'"),
    ("ada", "--at", BEYOND): (3, f"account 'ada' has no version {BEYOND}: {LAST}"),
    ("ada", "--from-version", BEYOND): (3, f"account 'ada' has no version {BEYOND}: {LAST}"),
    ("ada", "--at", "0"): (3, f"account 'ada' has no version 0: {LAST}"),
    ("ada", "--at", "3", "--from-version", "4"): (3, "there is nothing to print: version 4 comes after version 3"),
    ("ada", "--at", "2025-12-31T23:59:59Z"): (3, "account 'ada' did not exist yet at 2025-12-31 23:59:59Z"),
    ("ada", "--at", "2026-01-01T00:00:00"): (2, "neither a version nor a time with its offset"),
    ("ada", "--at", "2126-01-01T00:00:00Z"): (2, "must not be in the future"),
    ("ada", "--at", "soon"): (2, "neither a version nor a time"),
}


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_what_cannot_be_told(lived: str, options: tuple[str, ...]) -> None:
    status, said = REFUSED[options]
    done = replay(lived, *options)
    assert (done.status, done.out) == (status, "")
    words = " ".join(done.err.replace("│", " ").split())
    assert said in words
    assert status != 3 or done.err == f"credit-ledger: {said}\n"


def test_a_terminal_sees_it_with_weight_and_colour(lived: str) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        _command("ada", "--at", "2"), env={**os.environ, **_environment(lived), "TERM": "xterm"}, stdout=theirs
    ) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                text += os.read(ours, 65536)
            except OSError:  # the other side has closed
                break
        assert process.wait() == 0
    os.close(ours)
    assert b"\x1b[1m1  2026-01-01 00:00:00Z  AccountOpened, position 1\x1b[0m" in text
    assert b"\x1b[1;32m2 events, all of them sound" in text


async def test_pages_do_not_show(lived: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def told(page: int) -> list[ExplainedEvent]:
        monkeypatch.setattr(streams, "PAGE", page)
        return [one async for some in explain_stream(Feed(log), "ada", EVENTS) for one in some]

    log = EventLog(lived)
    await log.open()
    whole = await told(1_000)
    assert len(whole) == EVENTS
    assert await told(1) == await told(4) == whole
    await log.close()


# Damage ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def damaged(lived: str) -> Iterator[str]:
    """The same database for tests that change stored events; they are restored afterwards."""
    _behind_everybodys_back(lived, "CREATE TABLE kept AS SELECT * FROM ledger.events")
    yield lived
    _behind_everybodys_back(lived, "DELETE FROM ledger.events")
    _behind_everybodys_back(lived, "INSERT INTO ledger.events OVERRIDING SYSTEM VALUE SELECT * FROM kept")
    _behind_everybodys_back(lived, "DROP TABLE kept")


def _behind_everybodys_back(database: str, statement: str, *values: Any) -> int:
    """Triggers are not asked."""
    with tampering(database) as connection:
        return connection.execute(statement.encode(), values).rowcount


def change(database: str, statement: str, *values: Any) -> None:
    assert _behind_everybodys_back(database, statement, *values) == 1


def stored(database: str, version: int) -> Any:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT state FROM ledger.events WHERE originator_version = %s", (version,)).fetchone()
    assert row is not None
    return json.loads(bytes(row[0]))


def rewrite(database: str, version: int, state: Any) -> None:
    text = state if isinstance(state, bytes) else json.dumps(state, separators=(",", ":"), sort_keys=True).encode()
    change(database, "UPDATE ledger.events SET state = %s WHERE originator_version = %s", text, version)


def test_a_draw_out_of_order_is_marked_and_the_history_goes_on(damaged: str) -> None:
    spent, end = version_of(damaged, "CreditsDeducted"), version_of(damaged, "CreditsDeducted", 3)
    permanent, subscription = (f"grt_{version_of(damaged, 'CreditsGranted', number)}" for number in (1, 2))
    state = stored(damaged, spent)
    state["data"]["draws"] = [{"amount": 30, "grant_id": permanent, "kind": "permanent"}]
    rewrite(damaged, spent, state)
    done = replay(damaged, "ada", "--at", str(end), "--from-version", str(end))
    assert done.status == 1
    order = f"the burn order puts {subscription} next, but the event names {permanent}: subscription before permanent"
    assert f"    NOT SOUND: {order}\n" in done.out, "although it is before the first that was asked for"
    assert done.out.startswith(f"{spent}  2026-01-01")
    assert done.out.endswith(f"1 of {end} events are not sound: versions {spent}.\n")
    *_, said = map(json.loads, replay(damaged, "ada", "--at", str(end), "--json").out.splitlines())
    assert (said["unsound"], said["unsound_versions"], said["account"]["subscription_credits"]) == (1, [spent], 24)


def test_a_balance_that_is_not_what_lots_add_up_to(damaged: str) -> None:
    spent = version_of(damaged, "CreditsDeducted", 3)
    state = stored(damaged, spent)
    state["data"]["balance"]["permanent_credits"] += 1_000
    rewrite(damaged, spent, state)
    done = replay(damaged, "ada", "--at", str(spent))
    assert done.status == 1
    assert "NOT SOUND: the balance is 24 subscription, 1,100 permanent, 0 held" in done.out
    assert "but lots and holds add up to 24 subscription, 100 permanent, 0 held" in done.out


def test_an_event_that_is_missing_ends_the_history(damaged: str) -> None:
    before, missing = version_of(damaged, "CreditsDeducted"), version_of(damaged, "CreditsDeducted", 2)
    assert missing == before + 1
    change(damaged, "DELETE FROM ledger.events WHERE originator_version = %s", missing)
    done = replay(damaged, "ada")
    assert done.status == 1
    assert f"{before}  2026-01-01 00:00:00Z  CreditsDeducted, position {before}" in done.out
    ends = f"The history of ada ends here: version {missing} is missing: version {missing + 1} is next.\n"
    assert done.out.endswith(ends)
    change(damaged, "DELETE FROM ledger.events WHERE originator_version = 1")
    assert "version 1 is missing: version 2 is next" in replay(damaged, "ada").out


def test_an_event_that_cannot_be_read_ends_the_history(damaged: str) -> None:
    unreadable = version_of(damaged, "CreditsDeducted", 2)
    rewrite(damaged, unreadable, b"{")
    done = replay(damaged, "ada")
    assert done.status == 1
    problem = f"position {unreadable} of account ada cannot be read"
    assert f"The history of ada ends here: the event at {problem}: " in done.out
    *_, end = map(json.loads, replay(damaged, "ada", "--json").out.splitlines())
    assert (end["version"], end["account"]["total"]) == (unreadable - 1, 130)
    assert problem in end["problem"]


def test_an_event_after_which_the_account_cannot_be_computed_ends_the_history(damaged: str) -> None:
    captured = version_of(damaged, "HoldCaptured")
    state = stored(damaged, captured)
    state["data"]["hold_id"] = "hld_1"
    rewrite(damaged, captured, state)
    done = replay(damaged, "ada")
    assert done.status == 1
    assert "NOT SOUND: there is no open hold hld_1\n" in done.out
    assert f"The history of ada ends here: the account cannot be computed after version {captured}.\n" in done.out
    assert f"\n{captured + 1}  2026" not in done.out


def test_the_opening_of_another_account(damaged: str) -> None:
    state = stored(damaged, 1)
    state["data"]["account_id"] = "eve"
    rewrite(damaged, 1, state)
    done = replay(damaged, "ada")
    assert (done.status, done.out.count("\n")) == (1, 1)
    assert done.out == "The history of ada ends here: version 1 opens another account, 'eve'.\n"


def test_snapshots_are_not_believed(damaged: str) -> None:
    false = """
        INSERT INTO ledger.snapshots (originator_id, originator_version, topic, state, hash)
        SELECT originator_id, originator_version, %s, %s, hash FROM ledger.events WHERE originator_version = 30
    """
    gone = "DELETE FROM ledger.snapshots WHERE originator_version = 30"
    _behind_everybodys_back(damaged, gone)  # a true one may be there
    change(damaged, false, SNAPSHOT_TOPIC, b"{}")
    assert replay(damaged, "ada", "--at", END).out == HISTORY.read_text()
    change(damaged, gone)


def test_a_terminal_is_not_led_astray(damaged: str) -> None:
    """Ids are the callers' own, and behind the service's back they may be anything."""
    spent = version_of(damaged, "CreditsDeducted")
    state = stored(damaged, spent)
    state["data"]["task_id"] = "\x1b[2J\u202egone"
    rewrite(damaged, spent, state)
    out = replay(damaged, "ada", "--at", str(spent)).out
    assert "for task \N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}gone." in out
    assert "\x1b" not in out


def test_no_database(lived: str) -> None:
    done = run(f"{lived} dbname=nowhere", "ada")
    assert (done.status, done.out) == (3, "")
    assert done.err.startswith("credit-ledger: the database cannot be reached: ")
