"""Moves between two accounts: nothing is lost, nothing is made, and a whole reversal leaves no trace in the lots."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.amounts import MAX_AMOUNT, Balance
from ledger.domain.commands import (
    DeductCredits,
    GrantCredits,
    MergeAccount,
    OpenAccount,
    PlaceHold,
    ReverseTransfer,
    SendCredits,
)
from ledger.domain.errors import AccountClosed, BalanceLimitExceeded, OpenLotsLimitExceeded, Refusal, TransferSpent
from ledger.domain.events import CreditsGranted, CreditsReceived, CreditsSent, GrantVoided, HoldExpired
from ledger.domain.lots import MAX_OPEN_LOTS, Lot, Lots
from tests.domain.counting_model import Refused
from tests.domain.journal import ACCOUNT_ID, Journal
from tests.domain.model import Model
from tests.domain.moving import move, second_half, with_lots
from tests.domain.strategies import journals
from tests.long_form import times

BOB = "bob"


def opened(*grants: GrantCredits, account_id: str = ACCOUNT_ID) -> Journal:
    journal = Journal()
    journal.carry_out(OpenAccount(account_id))
    for one in grants:
        journal.carry_out(one)
    return journal


def credits_of(*accounts: Journal) -> tuple[int, int]:
    """All credits of some accounts together, by kind."""
    balances = [one.settled(one.now).balance for one in accounts]
    return sum(one.subscription for one in balances), sum(one.permanent for one in balances)


@settings(max_examples=times(30, 400))
@given(journals(20, moves=False), journals(12, moves=False), st.data())
def test_moves_between_two_accounts_keep_all_credits(ada: Journal, bob: Journal, data: st.DataObject) -> None:
    ada.now = bob.now = max(ada.now, bob.now, ada.opened.recorded_at, bob.opened.recorded_at)
    for _ in range(4):
        sender, receiver = data.draw(st.sampled_from([(ada, bob), (bob, ada)]))
        name, other = (ACCOUNT_ID, BOB) if sender is ada else (BOB, ACCOUNT_ID)
        available = sender.settled(sender.now).balance.available
        amount = data.draw(
            st.sampled_from([None, 1, max(available, 1), available // 2 or 1, min(available + 1, MAX_AMOUNT)])
        )
        earlier = [e.transfer_id for e in sender.events if isinstance(e, CreditsSent)]
        command = data.draw(
            st.sampled_from(
                [SendCredits(name, other, amount)] * 4
                + [ReverseTransfer(name, one) for one in earlier]
                + [MergeAccount(name, other)]
            )
        )
        before, states = credits_of(ada, bob), (sender.account, receiver.account, [*sender.events], [*receiver.events])
        moved = move(command, sender, receiver)
        if isinstance(moved, Refusal):
            assert states == (sender.account, receiver.account, sender.events, receiver.events)
            continue
        ended = [event for event in moved[0] if not isinstance(event, HoldExpired)]  # those were over before
        cancelled = sum(
            part.amount for event in ended for part in getattr(event, "returns", ()) if part.fate == "cancelled"
        )
        assert sum(credits_of(ada, bob)) == sum(before) - cancelled
        if not cancelled:
            assert credits_of(ada, bob) == before
        for sent in (event for event in moved[0] if isinstance(event, CreditsSent)):
            received = [event for event in moved[1] if isinstance(event, CreditsReceived)]
            assert [(e.from_grant_id, e.kind, e.amount, e.expires_at) for e in received] == [*sent.draws]
            assert {(e.from_account_id, e.transfer_id, e.recorded_at) for e in received} == {
                (name, sent.transfer_id, sent.recorded_at)
            }


@settings(max_examples=times(20, 300))
@given(journals(25, moves=False), st.integers(1, 200) | st.none())
def test_both_halves_are_what_the_naive_model_makes_of_them(ada: Journal, amount: int | None) -> None:
    bob, models = opened(account_id=BOB), (Model(), Model())
    for asked in ada.asked:
        models[0].ask(asked.command, asked.at)
    models[1].ask(OpenAccount(BOB), bob.now)
    bob.now = ada.now = max(ada.now, ada.opened.recorded_at)
    command = SendCredits(ACCOUNT_ID, BOB, amount)
    told = move(command, ada, bob)
    expected = models[0].ask(command, ada.now)
    assert isinstance(told, Refusal) == isinstance(expected, Refused)
    if isinstance(told, Refusal):
        return
    models[1].ask(with_lots(second_half(command, ada), told[0], ada), bob.now)  # type: ignore[arg-type]
    assert [(lot.grant_id, lot.remaining) for lot in ada.opened.lots] == models[0].lots()
    assert [(lot.grant_id, lot.remaining) for lot in bob.opened.lots] == models[1].lots()


@settings(max_examples=times(20, 300))
@given(journals(25, moves=False), st.integers(1, 200) | st.none())
def test_a_reversal_at_once_is_as_if_there_had_been_no_move(ada: Journal, amount: int | None) -> None:
    bob = opened(GrantCredits(BOB, "permanent", 5), account_id=BOB)
    bob.now = ada.now = max(ada.now, ada.opened.recorded_at)
    before = ada.settled(ada.now), bob.settled(ada.now)
    moved = move(SendCredits(ACCOUNT_ID, BOB, amount), ada, bob)
    if isinstance(moved, Refusal):
        return
    assert not isinstance(move(ReverseTransfer(ACCOUNT_ID, f"trf_{ada.opened.version}"), ada, bob), Refusal)
    closed = {event.grant_id for event in ada.events if isinstance(event, GrantVoided) and event.closed}
    if not closed:
        assert ada.opened.lots == before[0].lots
    assert (bob.opened.lots, bob.opened.balance) == (before[1].lots, before[1].balance)


def test_a_lot_remembers_where_it_comes_from_however_often_it_moves() -> None:
    ada = opened(GrantCredits(ACCOUNT_ID, "permanent", 30, "promotion"))
    bob, carl = opened(account_id=BOB), opened(account_id="carl")
    granted = next(event for event in ada.events if isinstance(event, CreditsGranted))
    bob.now = carl.now = ada.now = ada.now + timedelta(days=3)
    move(SendCredits(ACCOUNT_ID, BOB, 20), ada, bob)
    move(SendCredits(BOB, "carl", 15), bob, carl)
    last = carl.events[-1]
    assert isinstance(last, CreditsReceived)
    assert (last.from_account_id, last.from_grant_id) == (BOB, "grt_2")
    assert (last.origin_account_id, last.origin_grant_id) == (ACCOUNT_ID, granted.grant_id)
    assert (last.source, last.granted_at) == ("promotion", granted.recorded_at)


def test_a_reversal_of_what_was_sent_on_is_refused_until_it_is_back() -> None:
    ada, bob, carl = opened(GrantCredits(ACCOUNT_ID, "permanent", 30)), opened(account_id=BOB), opened(account_id="c")
    move(SendCredits(ACCOUNT_ID, BOB, 20), ada, bob)
    move(SendCredits(BOB, "c", 15), bob, carl)
    told = move(ReverseTransfer(ACCOUNT_ID, "trf_3"), ada, bob)
    assert isinstance(told, TransferSpent)
    assert told.facts == {
        "transfer_id": "trf_3",
        "account_id": BOB,
        "amount": 20,
        "remaining": 5,
        "missing": 15,
    }
    move(ReverseTransfer(BOB, "trf_3"), bob, carl)
    assert not isinstance(move(ReverseTransfer(ACCOUNT_ID, "trf_3"), ada, bob), Refusal)
    assert ada.opened.balance.available == 30


def test_what_is_on_hold_is_neither_sent_nor_sent_back() -> None:
    ada, bob = opened(GrantCredits(ACCOUNT_ID, "permanent", 30)), opened(account_id=BOB)
    ada.carry_out(PlaceHold(ACCOUNT_ID, 10))
    move(SendCredits(ACCOUNT_ID, BOB), ada, bob)
    assert (ada.opened.balance.total, bob.opened.balance.total) == (10, 20)
    bob.carry_out(PlaceHold(BOB, 1))
    assert isinstance(move(ReverseTransfer(ACCOUNT_ID, "trf_4"), ada, bob), TransferSpent)


def test_the_limits_of_the_receiver_refuse_the_whole_move() -> None:
    ada = opened(GrantCredits(ACCOUNT_ID, "permanent", 5))
    full = opened(GrantCredits(BOB, "permanent", MAX_AMOUNT - 4), account_id=BOB)
    assert isinstance(move(SendCredits(ACCOUNT_ID, BOB), ada, full), BalanceLimitExceeded)
    assert ada.opened.balance.total == 5
    assert not isinstance(move(SendCredits(ACCOUNT_ID, BOB, 4), ada, full), Refusal)


def test_so_does_the_number_of_lots() -> None:
    ada, bob = opened(*[GrantCredits(ACCOUNT_ID, "permanent", 1)] * 3), opened(account_id=BOB)
    lots = [Lot(f"grt_{number}", "permanent", 1, None) for number in range(2, MAX_OPEN_LOTS)]
    bob.account = replace(bob.opened, lots=Lots.of(lots), balance=Balance(0, len(lots), 0, None), version=len(lots) + 1)
    assert isinstance(move(SendCredits(ACCOUNT_ID, BOB, 3), ada, bob), OpenLotsLimitExceeded)
    assert not isinstance(move(SendCredits(ACCOUNT_ID, BOB, 2), ada, bob), Refusal)
    assert len(bob.opened.lots) == MAX_OPEN_LOTS


@settings(max_examples=times(2, 40), deadline=None)
@given(st.integers(1_001, 2_500), st.integers(1, 5))
def test_a_merge_sends_any_number_of_lots(count: int, held: int) -> None:
    """With several transfers of whole lots, in one decision; each of them can be reversed by itself."""
    ada, bob = opened(), opened(account_id=BOB)
    lots = Lots.of(
        Lot(f"grt_{number + 2}", "permanent" if number % 3 else "subscription", 1 + number % 7, None)
        for number in range(count)
    )
    grants = [
        CreditsGranted(ada.now, Balance(0, 0, 0, None), lot.grant_id, lot.kind, lot.remaining, "topup") for lot in lots
    ]
    kinds = {kind: sum(lot.remaining for lot in lots if lot.kind == kind) for kind in ("subscription", "permanent")}
    balance = Balance(kinds["subscription"], kinds["permanent"], 0, None)
    ada.events += grants
    ada.account = replace(ada.opened, version=count + 1, balance=balance, lots=lots)
    ada.carry_out(PlaceHold(ACCOUNT_ID, held, timedelta(hours=1)))
    before = credits_of(ada, bob)
    moved = move(MergeAccount(ACCOUNT_ID, BOB), ada, bob)
    assert not isinstance(moved, Refusal)
    sent = [event for event in moved[0] if isinstance(event, CreditsSent)]
    assert [len(event.draws) for event in sent[:-1]] == [1_000] * (len(sent) - 1)
    assert 0 < len(sent[-1].draws) <= 1_000
    received = [event for event in moved[1] if isinstance(event, CreditsReceived)]
    drawn = [(event.transfer_id, *part) for event in sent for part in event.draws]
    assert [(e.transfer_id, e.from_grant_id, e.kind, e.amount, e.expires_at) for e in received] == drawn
    assert (len(ada.opened.lots), ada.opened.balance.available, ada.opened.standing) == (0, 0, "closed")
    assert (ada.opened.balance.held, ada.opened.successor, credits_of(ada, bob)) == (held, BOB, before)
    last = sent[-1]
    back = move(ReverseTransfer(ACCOUNT_ID, last.transfer_id), ada, bob)
    assert not isinstance(back, Refusal)
    assert (ada.opened.balance.available, credits_of(ada, bob)) == (last.amount, before)
    again = move(MergeAccount(ACCOUNT_ID, BOB), ada, bob)
    assert not isinstance(again, Refusal)
    assert (ada.opened.balance.available, credits_of(ada, bob)) == (0, before)


def test_a_merged_account_names_its_successor() -> None:
    ada, bob = opened(GrantCredits(ACCOUNT_ID, "permanent", 5)), opened(account_id=BOB)
    move(MergeAccount(ACCOUNT_ID, BOB), ada, bob)
    assert (ada.opened.standing, ada.opened.successor) == ("closed", BOB)
    told = ada.attempt(DeductCredits(ACCOUNT_ID, 1))
    assert isinstance(told, AccountClosed)
    assert told.facts["successor"] == BOB
