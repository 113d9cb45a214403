"""Disputes: the order and the number of a provider's reports do not matter."""

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.commands import DeductCredits, GrantCredits, OpenAccount, RecordDispute, RecordPayment
from ledger.domain.errors import DisputeAlreadyRecorded, Refusal
from ledger.domain.events import DisputeRecorded, DisputeState, GrantVoided
from tests.domain.journal import ACCOUNT_ID, Journal
from tests.domain.strategies import DAY
from tests.long_form import times

PAID = 1_000


class Story(NamedTuple):
    """What a payment bought, what was spent of it, and its disputes: how much money each is about, and how it ends."""

    bought: tuple[GrantCredits, ...]
    spent: int
    disputes: tuple[tuple[int, DisputeState | None], ...]

    @property
    def words(self) -> list[RecordDispute]:
        """All reports, each once, in order."""
        return [
            RecordDispute(ACCOUNT_ID, "pi_1", f"dp_{number}", state, minor)
            for number, (minor, end) in enumerate(self.disputes)
            for state in ("open", end)
            if state is not None
        ]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Stories in which the disputes may be about more than the payment together."""
    amounts = draw(st.lists(st.integers(1, 40), min_size=1, max_size=3))
    kinds = [draw(st.booleans()) for _ in amounts]
    bought = tuple(
        GrantCredits(ACCOUNT_ID, "permanent", amount)
        if permanent
        else GrantCredits(ACCOUNT_ID, "subscription", amount, lifetime=30 * DAY)
        for amount, permanent in zip(amounts, kinds, strict=True)
    )
    ends: list[DisputeState | None] = [None, "won", "lost", "lost"]
    disputes = st.tuples(st.sampled_from([1, 333, 500, PAID]), st.sampled_from(ends))
    return Story(bought, draw(st.integers(0, sum(amounts))), tuple(draw(st.lists(disputes, min_size=1, max_size=3))))


def told(story: Story, words: list[RecordDispute]) -> Journal:
    """The journal after a payment, a deduction, and some reports, of which each is done, or was done before."""
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID, 0))
    journal.carry_out(RecordPayment(ACCOUNT_ID, "pi_1", "stripe", "paid", PAID, "eur", None, story.bought))
    if story.spent:
        journal.carry_out(DeductCredits(ACCOUNT_ID, story.spent))
    for word in words:
        answer = journal.attempt(word)
        assert not isinstance(answer, Refusal) or isinstance(answer, DisputeAlreadyRecorded), answer
    return journal


def outcome(journal: Journal) -> object:
    """What is left of the credits, what was cancelled and missed, and what became of the disputes and their money."""
    account = journal.opened
    disputes = {e.dispute_id: e for e in journal.events if isinstance(e, DisputeRecorded)}
    lost = sum(event.amount_minor for event in disputes.values() if event.state == "lost")
    states = sorted((name, event.state) for name, event in disputes.items())
    missed: dict[str, int] = {}
    for event in journal.events:
        if isinstance(event, GrantVoided) and event.uncollected:
            missed[event.grant_id] = missed.get(event.grant_id, 0) + event.uncollected
    closed = {event.grant_id for event in journal.events if isinstance(event, GrantVoided) and event.closed}
    return account.balance.total, tuple(account.lots) if not account.disputed else None, states, lost, closed, missed


@settings(max_examples=times(60, 600))
@given(stories(), st.data())
def test_any_order_of_the_reports_and_any_number_of_them_end_in_the_same(story: Story, data: st.DataObject) -> None:
    words = [*story.words, *data.draw(st.lists(st.sampled_from(story.words), max_size=4))]
    shuffled = told(story, data.draw(st.permutations(words)))
    in_order = told(story, story.words)
    assert outcome(shuffled) == outcome(in_order)
    assert sum(one.amount for one in shuffled.opened.disputed) == shuffled.opened.balance.held


@settings(max_examples=times(30, 300))
@given(stories())
def test_disputes_that_are_won_leave_everything_as_it_was(story: Story) -> None:
    won = story._replace(disputes=tuple((minor, "won") for minor, _ in story.disputes))
    journal, before = told(won, won.words), told(won, [])
    assert journal.opened.balance == before.opened.balance
    assert tuple(journal.opened.lots) == tuple(before.opened.lots)
    assert not journal.opened.disputed
