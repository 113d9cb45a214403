"""Journals in plain text: the outside tools find no error in any history, come to what the ledger says, and do find an
error where an amount was changed."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from beancount.core.data import Open, Transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ledger.amounts import MAX_AMOUNT
from ledger.commands import DeductCredits, GrantCredits, OpenAccount, PlaceHold
from ledger.events import AccountOpened, CreditsDeducted, Event
from projections.postings import Accounts, commodity_of
from tests.domain.journal import ACCOUNT_ID, Journal
from tests.export.accounting import (
    Balances,
    beancount,
    both,
    hledger,
    hledger_balances,
    needs_hledger,
    tag_value,
)
from tests.projections.folding import Told, folded
from tests.projections.histories import logs

pytestmark = needs_hledger

some = settings(
    deadline=None,
    max_examples=25,
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def expected(log: list[Told]) -> Balances:
    """What every account of the journal must hold, by the naive folding of the tests."""
    tables = folded(log)
    found: Counter[tuple[str, str]] = Counter()
    for grant in tables["balances.grants"].values():
        names = Accounts(grant["account_id"])
        grant_id = f"grt_{grant['number']}"
        found[names.lot(grant["kind"], grant_id), "CREDIT"] += grant["remaining"]
        found[names.held(grant["kind"], grant_id), "CREDIT"] += grant["held"]
        found[names.granted(grant["source"]), "CREDIT"] -= grant["amount"]
        found[names.spent, "CREDIT"] += grant["spent"]
        found[names.fate(grant["kind"], grant_id, "lapsed"), "CREDIT"] += grant["lapsed"]
        found[names.fate(grant["kind"], grant_id, "cancelled"), "CREDIT"] += grant["voided"]
    for payment in tables["payments.payments"].values():
        if payment["status"] == "paid" or payment["refunded_minor"]:
            names, money = Accounts(payment["account_id"]), payment["amount_minor"] - payment["refunded_minor"]
            found[names.paid, commodity_of(payment["currency"])] += money
            found[names.money, commodity_of(payment["currency"])] -= money
    return {key: amount for key, amount in found.items() if amount}


@some
@given(log=logs(), seed=st.integers(0, 2**32))
def test_both_tools_find_no_error_until_an_amount_is_changed(log: list[Told], seed: int) -> None:
    """They come to what a naive folding says. A changed amount is found wherever it is, and so is an entry that was
    changed and still balances."""
    chance = Random(seed)
    for_beancount, for_hledger = both(log)
    counted, strictly = beancount(for_beancount), hledger(for_hledger, "check", "--strict")
    assert not counted.errors
    assert strictly.returncode == 0, strictly.stderr
    assert counted.balances == hledger_balances(for_hledger) == expected(log)

    assert beancount(_changed(for_beancount, chance)).errors
    assert hledger(_changed(for_hledger, chance), "check").returncode != 0
    if PAIR.search(for_beancount):
        assert beancount(_shifted(for_beancount, chance)).errors
        assert hledger(_shifted(for_hledger, chance), "check").returncode != 0


AMOUNT = re.compile(r"(?<=  )-?\d+(?= (?:CREDIT|\"?MINOR-))|(?<=\* )-?\d+(?= CREDIT)")


PAIR = re.compile(
    r"^(  (?:Assets|Income|Expenses)\S+ +)(-?\d+)( CREDIT\n  \S+ +)(-?\d+)( CREDIT)\n(?!  )", re.MULTILINE
)
"""Entries of two postings."""


def _changed(text: str, chance: Random) -> str:
    amount = chance.choice(list(AMOUNT.finditer(text)))
    other = int(amount[0]) + chance.choice([-1, 1])
    return f"{text[: amount.start()]}{other}{text[amount.end() :]}"


def _shifted(text: str, chance: Random) -> str:
    pair = chance.choice(list(PAIR.finditer(text)))
    before, first, between, second, after = pair.groups()
    return f"{text[: pair.start()]}{before}{int(first) + 1}{between}{int(second) - 1}{after}\n{text[pair.end() :]}"


HOSTILE = [
    "a:b",
    "Assets:Account-ada",
    'say "yes"; no',
    "two  spaces,three",
    " begins and ends ",
    "x, type:Liabilities, date:2020-01-01",
    "[2020-01-01]",
    "\\n\\",
    "#tag ^link * ! ; | @ {} = ==* $",
    "line\N{LINE SEPARATOR}separator\N{NO-BREAK SPACE}",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc",
    "-",
    "--",
    "--2d-",
    "-a-",
    "0",
    "zoë",
    "Zoë",
    "zoe\N{COMBINING DIAERESIS}",
    "\U0001f600" * 128,
    "\U0010ffff",
    "'; DROP TABLE events; --",
    "=1+1",
    '"quoted"',
    "include /etc/passwd",
    "x" * 128,
]


def test_hostile_ids_come_through_both_tools() -> None:
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID, MAX_AMOUNT))
    journal.carry_out(DeductCredits(ACCOUNT_ID, MAX_AMOUNT - 1))
    log = [
        Told(position, name, version, _saying(event, name))
        for name in HOSTILE
        for position, (version, event) in enumerate(enumerate(journal.events, 1), 1)
    ]
    for_beancount, for_hledger = both(log)
    counted = beancount(for_beancount)
    assert not counted.errors
    opened = [entry.meta for entry in counted.entries if isinstance(entry, Open)]
    assert sorted(meta["account_id"] for meta in opened if "account_id" in meta) == sorted(HOSTILE)
    said = [entry.meta for entry in counted.entries if isinstance(entry, Transaction)]
    assert [(meta["task_id"], meta["description"]) for meta in said if "task_id" in meta] == [(n, n) for n in HOSTILE]
    assert hledger(for_hledger, "check", "--strict").stderr == ""
    assert counted.balances == hledger_balances(for_hledger) == expected(log)
    for name in ("account_id", "task_id", "description"):
        values = hledger(for_hledger, "tags", "--values", name).stdout.splitlines()
        assert sorted(map(tag_value, values)) == sorted(HOSTILE)


def _saying(event: Event, text: str) -> Event:
    match event:
        case AccountOpened():
            return replace(event, account_id=text)
        case CreditsDeducted():
            return replace(event, task_id=text, description=text)
        case _:
            return event


def test_very_many_lots_and_a_hold_over_all_of_them() -> None:
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID))
    for _ in range(400):
        journal.carry_out(GrantCredits(ACCOUNT_ID, "permanent", 3))
        journal.now += timedelta(hours=1)
    journal.carry_out(PlaceHold(ACCOUNT_ID, 800, timedelta(days=1)))
    journal.carry_out(DeductCredits(ACCOUNT_ID, 200))
    log = [Told(version, ACCOUNT_ID, version, event) for version, event in enumerate(journal.events, 1)]
    for_beancount, for_hledger = both(log)
    counted = beancount(for_beancount)
    assert not counted.errors
    assert hledger(for_hledger, "check", "--strict").returncode == 0
    assert counted.balances == expected(log)


def test_the_day_ends_at_midnight_in_utc() -> None:
    journal = Journal()
    journal.now = datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    journal.carry_out(OpenAccount(ACCOUNT_ID, 5))
    journal.now += timedelta(microseconds=1)
    journal.carry_out(DeductCredits(ACCOUNT_ID, 2))
    log = [Told(version, ACCOUNT_ID, version, event) for version, event in enumerate(journal.events, 1)]
    for_beancount, for_hledger = both(log)
    assert "2026-03-02 balance Assets:Account-ada:Permanent  5 CREDIT" in for_beancount
    assert "2026-03-03 balance Assets:Account-ada:Permanent  3 CREDIT" in for_beancount
    ends = [entry for entry in for_hledger.split("\n\n") if "end of the day" in entry]
    assert [entry.split("\n")[0] for entry in ends] == ["2026-03-01 * end of the day", "2026-03-02 * end of the day"]
    assert not beancount(for_beancount).errors
    assert hledger(for_hledger, "check").returncode == 0
