"""Titles of events: a page, a statement and a journal have the same words for the same event."""

from typing import get_args

import pytest

from audit.export.journals.account_journal import Transaction
from audit.export.journals.beancount import Beancount
from audit.export.journals.hledger import Hledger
from audit.export.journals.postings import Posting
from audit.statements.event_lines import rows_of
from ledger.domain.changes import ENTRY_TYPES, changes_of
from ledger.domain.events import (
    CreditsGranted,
    DisputeRecorded,
    Event,
    GrantStarted,
    HoldExpired,
    HoldReleased,
    PaymentStatus,
    Source,
)
from ledger.explain.event_titles import ENTRY_WORDS, GRANT_TITLES, PAYMENT_TITLES, entry_title, event_title
from ledger.store import Logged
from tests.store.samples import SAMPLES

samples = pytest.mark.parametrize("event", SAMPLES.values(), ids=SAMPLES)


def test_nothing_goes_without_words() -> None:
    assert set(GRANT_TITLES) == set(get_args(Source))
    assert set(PAYMENT_TITLES) == set(get_args(PaymentStatus))
    assert set(ENTRY_WORDS) == set(ENTRY_TYPES)
    assert all(entry_title(entry, None) for entry in ENTRY_TYPES)


@samples
def test_an_entry_has_the_title_of_its_event(event: Event) -> None:
    """The first entry has: what also lapses has a title of its own, and so has the end of a hold."""
    changes = changes_of(event)
    if changes and not isinstance(event, HoldReleased | HoldExpired | DisputeRecorded):
        source = event.source if isinstance(event, CreditsGranted | GrantStarted) else None
        assert event_title(event) == entry_title(changes[0].type, source)


@samples
def test_statements_and_journals_have_it(event: Event) -> None:
    title = event_title(event)
    assert [row.title for row in rows_of([event], [{}])] == [title]
    line = Transaction(
        Logged(1, "ada", 1, event), (Posting("Assets:A", 1, "CREDIT"), Posting("Assets:B", -1, "CREDIT"))
    )
    assert f" * {title}\n" in Hledger().text([line])
    assert f' * "{title}"\n' in Beancount().text([line])
