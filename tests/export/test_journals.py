"""Journals in plain text: the outside tools find no error in any history, come to what the ledger says, and do find an
error where an amount was changed."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from audit.export.journals.beancount import Beancount
from audit.export.journals.hledger import Hledger
from audit.export.journals.notation import Notation
from audit.export.journals.postings import commodity_of, encoded
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.commands import (
    DeductCredits,
    GrantCredits,
    OpenAccount,
    PlaceHold,
    ReverseDeduction,
    VoidGrant,
)
from ledger.domain.events import AccountOpened, CreditsDeducted, Event, GrantVoided
from tests.domain.journal import ACCOUNT_ID, Journal
from tests.export.accounting import READERS, Balances, journal, problems, read_by_tool, said
from tests.projections.folding import Told, folded
from tests.projections.histories import logs

some = settings(
    deadline=None,
    max_examples=15,
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def expected(log: list[Told]) -> Balances:
    """What every account of the journal must hold, by the naive folding of the tests."""
    tables = folded(log)
    found: Counter[tuple[str, str]] = Counter()
    never: Counter[tuple[str, str]] = Counter()  # voided before it started
    for told in log:
        if isinstance(told.event, GrantVoided) and told.event.coming:
            never[told.account_id, told.event.grant_id] += told.event.amount
    for grant in tables["balances.grants"].values():
        unborn = never[grant["account_id"], f"grt_{grant['number']}"]
        grant |= {"amount": grant["amount"] - grant["coming"] - unborn, "voided": grant["voided"] - unborn}
        holder, source = f"Account-{encoded(grant['account_id'])}", grant["source"].capitalize()
        lot = f"Assets:{holder}:{grant['kind'].capitalize()}:Grant-{grant['number']}"
        found[lot, "CREDIT"] += grant["remaining"]
        found[f"{lot}:Held", "CREDIT"] += grant["held"]
        found[f"Income:Granted:{source}:{holder}", "CREDIT"] -= grant["amount"]
        found[f"Equity:Transfers:{holder}", "CREDIT"] += grant["sent"]
        if grant["from_account_id"] is not None:
            found[f"Income:Granted:{source}:{holder}", "CREDIT"] += grant["amount"]
            found[f"Equity:Transfers:{holder}", "CREDIT"] -= grant["amount"]
        for place in ("spent", "lapsed", "voided"):
            found[f"Expenses:{place.capitalize()}:{holder}", "CREDIT"] += grant[place]
    for payment in tables["payments.payments"].values():
        if payment["status"] == "paid" or payment["refunded_minor"]:
            holder, money = encoded(payment["account_id"]), payment["amount_minor"] - payment["refunded_minor"]
            found[f"Expenses:Paid:Account-{holder}", commodity_of(payment["currency"])] += money
            found[f"Equity:Paid:Account-{holder}", commodity_of(payment["currency"])] -= money
    for dispute in tables["payments.disputes"].values():
        payment = tables["payments.payments"][dispute["account_id"], dispute["provider"], dispute["payment_id"]]
        lost = dispute["amount_minor"] if dispute["state"] == "lost" else 0
        found[f"Expenses:Paid:Account-{encoded(dispute['account_id'])}", commodity_of(payment["currency"])] -= lost
        found[f"Equity:Paid:Account-{encoded(dispute['account_id'])}", commodity_of(payment["currency"])] += lost
    memos: list[tuple[str, str, int]] = [
        ("Uncollected", row["account_id"], row["uncollected"] - row["waived"])
        for row in tables["uncollected.uncollected"].values()
    ]
    memos += [
        ("Clawbacks", told.account_id, told.event.uncollected) for told in log if isinstance(told.event, GrantVoided)
    ]
    for memo, account_id, amount in memos:
        found[f"Equity:Memo:{memo}:Account-{encoded(account_id)}", "UNCOLLECTED"] -= amount
        found[f"Equity:Memo:Contra:Account-{encoded(account_id)}", "UNCOLLECTED"] += amount
    return {key: amount for key, amount in found.items() if amount}


@pytest.mark.parametrize("notation", READERS)
@some
@given(log=logs(), seed=st.integers(0, 2**32))
def test_no_error_is_found_until_an_amount_is_changed(notation: type[Notation], log: list[Told], seed: int) -> None:
    """The tool comes to what a naive folding says. A changed amount is found wherever it is, and so is an entry that
    was changed and still balances."""
    chance, text = Random(seed), journal(log, notation())
    read = read_by_tool(text, notation)
    assert not read.problems
    assert read.balances == expected(log)
    for clearing in ("Equity:Transfers:", "Equity:Memo:"):
        assert not sum(amount for (name, _), amount in read.balances.items() if name.startswith(clearing))
    assert problems(_changed(text, chance), notation)
    if PAIR.search(text):
        assert problems(_shifted(text, chance), notation)


AMOUNT = re.compile(r"(?<=  )-?\d+(?= (?:CREDIT|UNCOLLECTED|\"?MINOR-))|(?<=\* )-?\d+(?= CREDIT)")


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


@pytest.mark.parametrize("notation", READERS)
def test_hostile_ids_and_texts_come_through(notation: type[Notation]) -> None:
    past = Journal()
    past.carry_out(OpenAccount(ACCOUNT_ID, MAX_AMOUNT))
    past.carry_out(DeductCredits(ACCOUNT_ID, MAX_AMOUNT - 1))
    log = [
        Told(position, name, version, _saying(event, name))
        for name in HOSTILE
        for position, (version, event) in enumerate(enumerate(past.events, 1), 1)
    ]
    text = journal(log, notation())
    read = read_by_tool(text, notation)
    assert not read.problems
    assert read.balances == expected(log)
    for name in ("account_id", "task_id", "description"):
        assert sorted(said(text, notation, name)) == sorted(HOSTILE)


def _saying(event: Event, text: str) -> Event:
    match event:
        case AccountOpened():
            return replace(event, account_id=text)
        case CreditsDeducted():
            return replace(event, task_id=text, description=text)
        case _:
            return event


def log_of(past: Journal) -> list[Told]:
    return [Told(version, ACCOUNT_ID, version, event) for version, event in enumerate(past.events, 1)]


@pytest.mark.parametrize("notation", READERS)
def test_what_is_uncollected_is_on_memo_accounts_until_it_is_waived(notation: type[Notation]) -> None:
    past = Journal()
    past.carry_out(OpenAccount(ACCOUNT_ID, 10))
    past.carry_out(DeductCredits(ACCOUNT_ID, 15, on_shortfall="available"))
    past.carry_out(DeductCredits(ACCOUNT_ID, 7, on_shortfall="available"))
    past.carry_out(ReverseDeduction(ACCOUNT_ID, "ded_3", 4))
    past.carry_out(VoidGrant(ACCOUNT_ID, "grt_2", 10))
    text = journal(log_of(past), notation())
    read = read_by_tool(text, notation)
    assert not read.problems
    assert read.balances == {
        ("Income:Granted:Signup:Account-ada", "CREDIT"): -10,
        ("Expenses:Spent:Account-ada", "CREDIT"): 10,
        ("Equity:Memo:Uncollected:Account-ada", "UNCOLLECTED"): -8,
        ("Equity:Memo:Clawbacks:Account-ada", "UNCOLLECTED"): -10,
        ("Equity:Memo:Contra:Account-ada", "UNCOLLECTED"): 18,
    }
    assert problems(text.replace("-7 UNCOLLECTED", "-6 UNCOLLECTED").replace(" 7 UNC", " 6 UNC"), notation)


@pytest.mark.parametrize("notation", READERS)
def test_very_many_lots_and_a_hold_over_most_of_them(notation: type[Notation]) -> None:
    past = Journal()
    past.carry_out(OpenAccount(ACCOUNT_ID))
    for _ in range(400):
        past.carry_out(GrantCredits(ACCOUNT_ID, "permanent", 3))
        past.now += timedelta(hours=1)
    past.carry_out(PlaceHold(ACCOUNT_ID, 800, timedelta(days=1)))
    past.carry_out(DeductCredits(ACCOUNT_ID, 200))
    read = read_by_tool(journal(log_of(past), notation()), notation)
    assert not read.problems
    assert read.balances == expected(log_of(past))


def over_midnight() -> list[Told]:
    past = Journal()
    past.now = datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    past.carry_out(OpenAccount(ACCOUNT_ID, 5))
    past.now += timedelta(microseconds=1)
    past.carry_out(DeductCredits(ACCOUNT_ID, 2))
    return log_of(past)


def test_a_day_of_beancount_ends_at_midnight_and_is_asserted_on_the_next() -> None:
    text = journal(over_midnight(), Beancount())
    assert "2026-03-02 balance Assets:Account-ada:Permanent  5 CREDIT" in text
    assert "2026-03-03 balance Assets:Account-ada:Permanent  3 CREDIT" in text
    assert not problems(text, Beancount)


def test_a_day_of_hledger_ends_at_midnight_behind_its_entries() -> None:
    entries = journal(over_midnight(), Hledger()).split("\n\n")
    ends = [entry.split("\n") for entry in entries if "end of the day" in entry]
    assert [lines[0] for lines in ends] == ["2026-03-01 * end of the day", "2026-03-02 * end of the day"]
    assert [lines[2].split()[-2] for lines in ends] == ["5", "3"]
