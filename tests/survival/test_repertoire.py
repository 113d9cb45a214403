"""Whatever the service can be asked for, the callers of the trials ask for, and the verdict knows what it means."""

import random
from typing import Any

from api.contract.operations import ALL_OPERATIONS, MOVES
from tests.survival import attempts
from tests.survival.asked import TOPICS
from tests.survival.attempts import PATHS, Ask, Attempt
from tests.survival.limiting import FIRST_KEY, has_limits
from tests.survival.repertoire import Repertoire

NOT_ASKED: dict[str, str] = {}
"""Operations that no trial asks for, each with its reason."""


def test_every_operation_of_the_service_is_asked_for() -> None:
    assert Repertoire().operations == set(ALL_OPERATIONS) - set(NOT_ASKED)
    assert set(TOPICS) == set(PATHS) == set(ALL_OPERATIONS) - set(NOT_ASKED)
    assert set(MOVES) == attempts.MOVES


def test_every_operation_is_asked_where_the_service_has_it() -> None:
    paths = {name: operation.path.replace("{account_id}", "{account}") for name, operation in ALL_OPERATIONS.items()}
    assert paths == PATHS


def test_callers_come_to_every_operation() -> None:
    """None is so rare, or needs so much, that the short forms never ask for it."""
    chance, repertoire = random.Random(1), Repertoire(accounts=8)
    asked = set()
    for number in range(6_000):
        for ask in repertoire.next(chance).asks:
            asked.add(ask.operation)
            answer: dict[str, Any] = {
                name: f"{name}-{number}" for name in ("grant_id", "deduction_id", "hold_id", "transfer_id")
            }
            answer |= {"payment_id": ask.body.get("payment_id", "p"), "payment_status": ask.body.get("status")}
            repertoire.learn(Attempt(ask, 0, 0, "ok", 201, "r", answer))
    assert asked == repertoire.operations


def test_some_accounts_have_limits_from_their_opening_on() -> None:
    """Whoever comes first sets them, and all who come at once ask for the same."""
    chance, repertoire = random.Random(1), Repertoire(accounts=20)
    limited = [name for name in repertoire.accounts if has_limits(name)]
    assert 3 < len(limited) < 10
    assert has_limits(repertoire.accounts[1])  # it is hot
    seconds: dict[str, Ask] = {}
    while len(seconds) < len(repertoire.accounts):
        ask = repertoire.ask(chance)
        if ask.operation == "open":
            repertoire.learn(Attempt(ask, 0, 0, "ok", 201, "r", {}))
        else:
            seconds.setdefault(ask.account, ask)
    assert {name for name, ask in seconds.items() if ask.key == FIRST_KEY} == set(limited)
    again = [repertoire.ask(chance) for _ in range(2_000)]
    assert all(ask.body == seconds[ask.account].body for ask in again if ask.key == FIRST_KEY)
