"""The scenarios: tables that teach the product, and prove that it does what they teach."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.domain import errors
from ledger.domain.commands import Command
from ledger.domain.errors import Refusal
from tests.domain.journal import Journal
from tests.domain.model import Model
from tests.domain.script import Line, Scenario, ScriptError, read
from tests.domain.telling import tell, tell_balance, tell_refusal

FOLDER = Path(__file__).parent / "scenarios"
FILES = sorted(FOLDER.glob("*.txt"))
SCENARIOS = [scenario for path in FILES for scenario in read(path)]
SHORT_ONES = [each for each in SCENARIOS if all(line.times < 100 for line in each.lines)]

OF_OTHER_FLOORS = {"idempotency_key_reused", "version_mismatch", "batch_refused", "payment_of_another_account"}
"""Refusals that the domain knows by name and never raises: the store does."""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario.where} {scenario.title}")
def test_scenario(scenario: Scenario) -> None:
    journal = Journal()
    for line in scenario.lines:
        journal.now = line.at
        answer = [_answer(journal, line) for _ in range(line.times)][-1]
        if "(" not in line.answer:
            answer = re.sub(r" \(.*\)$", "", answer)
        assert answer == line.answer, line.where
        assert _balance(journal) == line.balance, line.where


@pytest.mark.parametrize("scenario", SHORT_ONES, ids=lambda scenario: f"{scenario.where} {scenario.title}")
def test_the_model_was_written_for_the_same_product(scenario: Scenario) -> None:
    model = Model()
    for line in scenario.lines:
        for _ in range(line.times):
            command = _command(line)
            if command is None or isinstance(command, Refusal):
                refused: object = command
            else:
                refused = model.ask(command, line.at)
            assert getattr(refused, "code", None) == _code(line), line.where
        if model.exists:
            balance = model.balance(line.at)
            told = "sub {subscription_credits} perm {permanent_credits} held {held}".format(**balance)
            assert told == line.balance, line.where


def test_every_refusal_is_taught_by_a_scenario() -> None:
    taught = {code for scenario in SCENARIOS for line in scenario.lines if (code := _code(line))}
    assert taught == {refusal.code for refusal in _refusals()} - OF_OTHER_FLOORS


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "day 0 | open | opened | sub 0 perm 0 held 0\n",
            "it.txt:1: a line must stand below a title",
        ),
        ("== A title\n# a remark\n\nday 0 | open | opened\n", "it.txt:4: 3 columns in place of"),
        ("== A title\nday 0 | opne | opened | -\n", "it.txt:2: no command reads 'opne'"),
        ("== A title\nnoon | open | opened | -\n", "it.txt:2: 'noon' is not a moment"),
    ],
)
def test_a_line_that_is_not_in_the_language_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "it.txt"
    path.write_text(text)
    with pytest.raises(ScriptError, match=re.escape(complaint)):
        list(read(path))


def _command(line: Line) -> Command | Refusal | None:
    try:
        return line.ask()
    except Refusal as refusal:
        return refusal


def _answer(journal: Journal, line: Line) -> str:
    command = _command(line)
    if command is None:
        return ""
    told = command if isinstance(command, Refusal) else journal.attempt(command)
    return tell_refusal(told) if isinstance(told, Refusal) else tell(told)


def _balance(journal: Journal) -> str:
    if journal.account is None:
        return "none"
    return tell_balance(journal.settled(journal.now).balance)


def _code(line: Line) -> str | None:
    found = re.match(r"refused (\w+)", line.answer)
    return found[1] if found else None


def _refusals(root: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    for kind in root.__subclasses__():
        if kind.__module__.startswith(errors.__name__) and "code" in vars(kind):
            yield kind
        yield from _refusals(kind)
