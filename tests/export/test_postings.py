"""Postings: they balance for every kind of event, and names of accounts are injective and fit both tools."""

import re
from collections import Counter
from dataclasses import replace

import pytest
from beancount.core import account
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audit.export.journals import account_journal as books
from audit.export.journals.postings import Accounts, commodity_of, encoded, postings_of
from ledger.domain.events import CreditsDeducted, DeductionReversed
from ledger.explain.money import currencies_of
from ledger.store.feed import Logged
from tests.domain.journal import Journal
from tests.domain.strategies import journals
from tests.store.samples import SAMPLES

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.text("-a2d", max_size=12)


@given(name=IDS)
@example("--2d-")
@example("-")
@example("a--")
@example("--a-")
def test_a_name_can_be_read_back_and_is_one_that_both_tools_allow(name: str) -> None:
    assert re.sub(r"--([0-9a-f]+)-", lambda found: chr(int(found[1], 16)), encoded(name)) == name
    assert account.is_valid(Accounts(name).lot("subscription", "grt_3"))
    assert encoded(name).isascii()


@pytest.mark.parametrize("name", ["ada", "Ada", "user-123", "550e8400-e29b-41d4-a716-446655440000", "42"])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert encoded(name) == name


@given(some=st.sets(IDS, max_size=5))
def test_no_two_accounts_share_a_name(some: set[str]) -> None:
    assert len({Accounts(name).spent for name in some}) == len(some)


@given(some=st.sets(st.text(min_size=1, max_size=5) | st.sampled_from(["EUR", "eur", "MINOR-EUR"]), max_size=5))
def test_currencies_are_commodities(some: set[str]) -> None:
    encodable = [name for name in some if name.isprintable()]
    assert len({commodity_of(name) for name in encodable}) == len(encodable)
    assert commodity_of("EUR") == "EUR-MINOR"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(journal=journals())
def test_entries_balance_and_assets_are_the_balance(journal: Journal) -> None:
    names, currencies = Accounts("ada"), currencies_of(journal.events)
    assets: Counter[str] = Counter()
    for event in journal.events:
        postings = postings_of(names, event, currencies)
        sums: Counter[str] = Counter()
        for posting in postings:
            assert posting.amount
            sums[posting.commodity] += posting.amount
            if names.is_asset(posting.account):
                assets[posting.account] += posting.amount
        assert not any(sums.values())
        assert sum(assets.values()) == event.balance.total
        assert sum(n for name, n in assets.items() if name.endswith(":Held")) == event.balance.held
        for kind, credits in zip(names.kinds.values(), event.balance[:2], strict=True):
            below = f"{kind}:"
            assert sum(amount for name, amount in assets.items() if name.startswith(below)) == credits


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(past=journals())
def test_every_account_of_a_journal_is_asserted_at_its_end(past: Journal) -> None:
    journal = books.Journal("ada")
    logged = [Logged(version, "ada", version, event) for version, event in enumerate(past.events, 1)]
    opened = {line.account for one in logged for line in journal.add(one) if isinstance(line, books.AccountOpening)}
    closed = [line for line in journal.close() if isinstance(line, books.BalanceAssertion)]
    assert {line.account for line in closed} == opened
    assert {line.day for line in closed} == {past.events[-1].recorded_at.date()}


@pytest.mark.parametrize("name", ["CreditsDeducted", "DeductionReversed"])
def test_an_event_that_does_not_agree_with_itself_does_not_balance(name: str) -> None:
    event = SAMPLES[name]
    assert isinstance(event, CreditsDeducted | DeductionReversed)
    wrong = replace(event, amount=event.amount + 1)
    for said, off in ((event, 0), (wrong, 1)):
        assert abs(sum(posting.amount for posting in postings_of(Accounts("ada"), said, {}))) == off
