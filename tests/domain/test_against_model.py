"""All commands, in any order, at any time: the ledger and a naive model of it must give the same answers."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import event as note
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger.domain.account import fold
from ledger.domain.commands import (
    CaptureHold,
    ChangeGrantExpiry,
    CloseAccount,
    Command,
    DeductCredits,
    EraseTexts,
    ExtendHold,
    FreezeAccount,
    GrantCredits,
    MergeAccount,
    Meter,
    MovedLot,
    OpenAccount,
    PlaceHold,
    ReceiveCredits,
    RecordDispute,
    RecordExpiries,
    RecordPayment,
    RefundPayment,
    ReleaseHold,
    ReopenAccount,
    ReverseDeduction,
    ReverseTransfer,
    SendBack,
    SendCredits,
    SetAllowance,
    SetLimits,
    UnfreezeAccount,
    VoidGrant,
)
from ledger.domain.errors import AccountNotFound, Refusal
from ledger.domain.lots import burn_order
from tests.domain import strategies
from tests.domain.answers import answer_of, balance_of
from tests.domain.counting_model import Refused
from tests.domain.journal import ACCOUNT_ID, DAY_ZERO, Journal
from tests.domain.model import Model
from tests.domain.strategies import DAY, TICK
from tests.long_form import times


class LedgerAndModel(RuleBasedStateMachine):
    """Each step draws a command that fits the moment, asks both, and compares.

    There is no rule per command, because Hypothesis leaves rules out at random: a run without holds has no captures.
    """

    def __init__(self) -> None:
        super().__init__()
        self.journal = Journal()
        self.model = Model()

    def ask(self, command: Command) -> None:
        """Both must give the same answer, or refuse with the same code and the same numbers."""
        before = self.journal.account
        expected = self.model.ask(command, self.journal.now)
        told = self.journal.attempt(command)
        if isinstance(told, Refusal):
            note(f"refused: {told.code}")
            assert isinstance(expected, Refused), f"{told.code}, and the model answers {expected}"
            assert told.code == expected.code
            assert {name: told.facts.get(name) for name in expected.facts} == expected.facts
            assert self.journal.account is before
        else:
            note(f"done: {type(command).__name__}")
            assert not isinstance(expected, Refused), f"{told}, and the model refuses: {expected.code}"
            assert answer_of(told, self.journal) == expected

    @initialize(data=st.data())
    def begin_with_something_to_spend(self, data: st.DataObject) -> None:
        self.ask(data.draw(strategies.commands(self.journal)))
        for _ in range(data.draw(st.integers(0, 3))):
            self.ask(data.draw(strategies.grants(self.journal)))

    @rule(data=st.data())
    def at_once(self, data: st.DataObject) -> None:
        self.ask(data.draw(strategies.commands(self.journal)))

    @rule(data=st.data())
    def later(self, data: st.DataObject) -> None:
        self.journal.now = data.draw(strategies.moments(self.journal))
        self.ask(data.draw(strategies.commands(self.journal)))

    @invariant()
    def the_state_is_the_fold_of_the_events(self) -> None:
        assert fold(tuple(self.journal.events)) == self.journal.account

    @invariant()
    def every_event_carries_the_balance_after_it(self) -> None:
        if self.journal.events:
            assert self.journal.events[-1].balance == self.journal.opened.balance

    @invariant()
    def open_lots_and_holds_are_all_there_is(self) -> None:
        if not self.journal.events:
            return
        account = self.journal.opened
        in_lots = sum(lot.remaining for lot in account.lots)
        in_holds = sum(part.amount for hold in (*account.holds, *account.disputed) for part in hold.draws)
        assert (in_lots, in_holds) == (account.balance.available, account.balance.held)
        assert in_lots + in_holds == account.balance.total
        assert [(lot.grant_id, lot.remaining) for lot in account.lots] == self.model.lots()
        assert [*account.lots] == sorted(account.lots, key=burn_order)

    @invariant()
    def balances_at_any_moment_to_come_agree(self) -> None:
        if not self.journal.events:
            return
        for at in self._instants():
            settled = self.journal.settled(at)
            assert balance_of(settled.balance) == self.model.balance(at), at
            assert settled.due_at is None or settled.due_at > at

    @invariant()
    def counters_of_limits_agree(self) -> None:
        if not self.journal.events:
            return
        at = max(self.journal.now, self.journal.opened.recorded_at)
        account, told = self.journal.opened, {}
        for one in account.limits.all if account.limits is not None else ():
            for value, (used, until) in one.counters():
                if until is None or at < until:
                    told[one.limit.limit_id, value] = (used, until)
        assert told == self.model.counting.now(at)
        if account.limits is not None:
            assert account.limits.size == sum(len(list(one.counters())) for one in account.limits.all)

    def _instants(self) -> Iterator[datetime]:
        account = self.journal.opened
        yield max(self.journal.now, account.recorded_at)
        yield account.recorded_at + 400 * DAY
        if account.due_at is not None:
            yield max(account.due_at - TICK, account.recorded_at)
            yield max(account.due_at, account.recorded_at)


class LimitsAndModel(LedgerAndModel):
    """The same on an account with many credits and some limits, with only what moves counters."""

    @initialize(data=st.data())
    def begin_with_something_to_spend(self, data: st.DataObject) -> None:
        self.ask(OpenAccount(ACCOUNT_ID, 1_000))
        self.ask(data.draw(strategies.limits(self.journal)))

    @rule(data=st.data())
    def at_once(self, data: st.DataObject) -> None:
        self.ask(data.draw(strategies.counted(self.journal)))

    @rule(data=st.data())
    def later(self, data: st.DataObject) -> None:
        self.journal.now = data.draw(strategies.moments(self.journal))
        self.ask(data.draw(strategies.counted(self.journal)))


TestLimitsAndModel = LimitsAndModel.TestCase
TestLimitsAndModel.settings = settings(max_examples=times(30, 250), stateful_step_count=30)
TestLedgerAndModel = LedgerAndModel.TestCase
TestLedgerAndModel.settings = settings(max_examples=times(60, 250), stateful_step_count=40)


@pytest.mark.parametrize(
    "command",
    [
        GrantCredits(ACCOUNT_ID, "permanent", 1),
        DeductCredits(ACCOUNT_ID, 1),
        ReverseDeduction(ACCOUNT_ID, "ded_1"),
        PlaceHold(ACCOUNT_ID, 1),
        ExtendHold(ACCOUNT_ID, "hld_1", timedelta(minutes=1)),
        CaptureHold(ACCOUNT_ID, "hld_1"),
        ReleaseHold(ACCOUNT_ID, "hld_1"),
        VoidGrant(ACCOUNT_ID, "grt_1"),
        ChangeGrantExpiry(ACCOUNT_ID, "grt_1", None),
        RecordPayment(ACCOUNT_ID, "pi_1", "stripe", "paid", 1, "eur"),
        RefundPayment(ACCOUNT_ID, "pi_1", "re_1"),
        RecordDispute(ACCOUNT_ID, "pi_1", "dp_1", "open"),
        FreezeAccount(ACCOUNT_ID),
        UnfreezeAccount(ACCOUNT_ID),
        CloseAccount(ACCOUNT_ID),
        ReopenAccount(ACCOUNT_ID),
        SendCredits(ACCOUNT_ID, "bob", 1),
        MergeAccount(ACCOUNT_ID, "bob"),
        ReceiveCredits(
            ACCOUNT_ID,
            "bob",
            None,
            "trf_3",
            (MovedLot("grt_2", "permanent", 1, None, "topup", DAY_ZERO, "bob", "grt_2"),),
        ),
        ReverseTransfer(ACCOUNT_ID, "trf_1"),
        SendBack(ACCOUNT_ID, "bob", "trf_1"),
        EraseTexts(ACCOUNT_ID),
        RecordExpiries(ACCOUNT_ID),
        SetLimits(ACCOUNT_ID, "plan", ()),
        SetAllowance(ACCOUNT_ID, "month", "ada", 1),
        Meter(ACCOUNT_ID, 1, {"metric": "rag_query"}),
    ],
    ids=lambda command: type(command).__name__,
)
def test_an_account_that_was_never_opened_is_not_found_by_any_command(command: Command) -> None:
    told = Journal().attempt(command)
    expected = Model().ask(command, Journal().now)
    assert isinstance(told, AccountNotFound)
    assert isinstance(expected, Refused)
    assert told.code == expected.code


def test_an_opening_is_the_only_way_to_begin() -> None:
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID, 100))
    assert answer_of(tuple(journal.events), journal) == Model().ask(OpenAccount(ACCOUNT_ID, 100), journal.now)
