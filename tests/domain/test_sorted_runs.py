"""Lots and holds in runs: the same as a sorted list, and no change copies more than two runs."""

import random
from collections.abc import Callable
from datetime import timedelta
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import sorted_runs
from ledger.domain.account import Account, evolve, fold
from ledger.domain.commands import Command, DeductCredits, ExtendHold, GrantCredits, OpenAccount, PlaceHold, ReleaseHold
from ledger.domain.decisions.decider import decide
from ledger.domain.holds import Hold, Holds
from ledger.domain.lots import Draw
from ledger.domain.sorted_runs import MAX_RUN, Runs, in_runs, inserted, place_of, removed, replaced, without_first
from tests.domain.journal import ACCOUNT_ID, DAY_ZERO

Pair = tuple[int, int]
KEY = itemgetter(0)


def flat(runs: Runs[Pair]) -> list[Pair]:
    assert all(0 < len(run) <= sorted_runs.MAX_RUN for run in runs)
    return [pair for run in runs for pair in run]


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ird")), max_size=120), st.sampled_from([4, 8]))
def test_runs_are_a_sorted_list(steps: list[tuple[int, str]], longest: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sorted_runs, "MAX_RUN", longest)
        patched.setattr(sorted_runs, "_JOINED", longest // 2)
        runs: Runs[Pair] = ()
        model: dict[int, int] = {}
        for step, (key, what) in enumerate(steps):
            if what == "i" and key not in model:
                runs, model[key] = inserted(runs, (key, step), KEY), step
            elif what == "r" and key in model:
                runs, model[key] = replaced(runs, place_of(runs, key, KEY), (key, step)), step
            elif what == "d" and key in model:
                runs = removed(runs, place_of(runs, key, KEY))
                del model[key]
            assert flat(runs) == sorted(model.items())
            assert in_runs(model.items(), KEY) == () or flat(in_runs(model.items(), KEY)) == flat(runs)
            assert flat(without_first(runs, len(model) // 2)) == sorted(model.items())[len(model) // 2 :]
        assert all(
            len(low) + len(high) > longest // 2 or len(runs) < 2 for low, high in zip(runs, runs[2:], strict=False)
        )


def test_what_arrives_in_order_fills_the_runs() -> None:
    runs: Runs[Pair] = ()
    for number in range(10 * MAX_RUN):
        runs = inserted(runs, (number, 0), KEY)
    assert [len(run) for run in runs] == [MAX_RUN] * 10


# Accounts with thousands of lots and holds --------------------------------------------------------------------------


def crowded() -> Account:
    """Two thousand lots, and two thousand holds that draw from them."""
    rng, account = random.Random(7), None
    commands: list[Command] = [OpenAccount(ACCOUNT_ID)]
    for _ in range(2_000):
        expiry = DAY_ZERO + timedelta(days=1 + rng.randrange(1_000))
        commands.append(GrantCredits(ACCOUNT_ID, "subscription", 2, expires_at=expiry))
    commands += [PlaceHold(ACCOUNT_ID, 1, timedelta(seconds=1 + rng.randrange(9_000))) for _ in range(2_000)]
    for command in commands:
        account = fold(decide(command, account, DAY_ZERO), account)
    assert account is not None
    return account


@pytest.fixture(scope="module")
def account() -> Account:
    return crowded()


@pytest.mark.parametrize(
    "command",
    [
        GrantCredits(ACCOUNT_ID, "subscription", 1, expires_at=DAY_ZERO + timedelta(days=500)),
        GrantCredits(ACCOUNT_ID, "permanent", 1),
        DeductCredits(ACCOUNT_ID, 1),
        DeductCredits(ACCOUNT_ID, 700),
        PlaceHold(ACCOUNT_ID, 1, timedelta(seconds=4_000)),
        ExtendHold(ACCOUNT_ID, "hld_3000", timedelta(seconds=9_500)),
        ReleaseHold(ACCOUNT_ID, "hld_3000"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_change_shares_nearly_all_of_thousands_of_lots_and_holds(account: Account, command: Command) -> None:
    [event] = decide(command, account, DAY_ZERO)
    after = evolve(account, event)
    for runs_of in (lambda one: one.lots.runs, lambda one: one.holds.runs):
        assert len(new_runs(runs_of, account, after)) <= 2


def new_runs(runs_of: Callable[[Account], Runs[object]], before: Account, after: Account) -> list[object]:
    kept = {id(run) for run in runs_of(before)}
    return [run for run in runs_of(after) if id(run) not in kept]


def test_holds_know_the_number_of_grants_from_which_they_draw(account: Account) -> None:
    holds, rng = account.holds, random.Random(8)
    for hold in rng.sample([*holds], 1_990):
        holds = holds.without(hold.hold_id)
        assert hold.hold_id not in holds
        if len(holds) % 199 == 0:
            assert holds.grants == len(holds.drawn_grants())
            assert holds == Holds.of(reversed([*holds]))


def test_the_holds_of_a_closed_grant_are_told_once() -> None:
    end = DAY_ZERO + timedelta(days=1)
    holds = Holds.of(
        Hold(f"hld_{n}", (Draw(f"grt_{2 + n % 2}", "permanent", 1, None),), end, DAY_ZERO, None, None)
        for n in range(9, 300)
    )
    closed = holds.closing("grt_3")
    assert [hold.closed_grants for hold in closed] == [
        frozenset({"grt_3"}) if hold.draws[0].grant_id == "grt_3" else frozenset() for hold in holds
    ]
    assert closed.closing("grt_3") is closed


@pytest.mark.parametrize("name", ["", "hld_", "hld_9999", "hld_010", "hld_x", "grt_10", "10", "hld_-1"])
def test_no_other_text_finds_a_hold(name: str) -> None:
    hold = Hold("hld_10", (), DAY_ZERO, DAY_ZERO, None, None)
    assert Holds.of([hold]).get(name) is None
    assert Holds.of([hold])["hld_10"] is hold
