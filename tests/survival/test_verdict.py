"""A verdict is worth what it finds: into a good run one wrong after the other is planted, and each must be named."""

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest

from tests.postgres import TestServers
from tests.survival.attempts import Ask, Attempt, Group
from tests.survival.figures import Figures
from tests.survival.follower import following
from tests.survival.ground import Ground
from tests.survival.inside import inside
from tests.survival.load import under_load
from tests.survival.log import COLUMNS, Row, read_log
from tests.survival.plan import Plan, fresh_seed
from tests.survival.proofs import chain_broken
from tests.survival.verdict import judge

COMMANDS = 700


@dataclass
class Story:
    """What was asked and answered, the log, and what a follower saw."""

    attempts: list[Attempt]
    rows: list[Row]
    seen: list[tuple[int, bytes]]

    def judged(self) -> Figures:
        """The verdict on it."""
        return judge(self.attempts, self.rows, self.seen)

    def copied(self) -> "Story":
        """One to spoil. Asks are the same: they are never changed."""
        attempts = [copy.copy(attempt) for attempt in self.attempts]
        return Story(attempts, [copy.copy(row) for row in self.rows], list(self.seen))

    def a_command(self, operation: str = "deduct") -> tuple[Attempt, list[Row]]:
        """One that was asked and answered once, at the end of its account, and what came of it."""
        for row in reversed(self.rows):
            attempts = [one for one in self.attempts if one.ask.command == _command(row)]
            events = [other for other in self.rows if _command(other) == _command(row)]
            last = max(other.version for other in self.rows if other.account == row.account)
            alone = len(attempts) == 1 and attempts[0].together is None and attempts[0].status == 201
            if row.metadata["operation"] == operation and row.version == last and alone and len(events) == 1:
                return attempts[0], events
        raise AssertionError("there is none; run longer")

    def remove(self, rows: list[Row]) -> None:
        """As if they had never been: those after them move up."""
        self.rows = [row for row in self.rows if row not in rows]
        for position, row in enumerate(self.rows, 1):
            row.position = position


def _command(row: Row) -> tuple[str, str, str]:
    return row.account, row.metadata["operation"], row.metadata["idempotency_key"]


@pytest.fixture(scope="module")
def good(servers: TestServers) -> Story:
    seed = fresh_seed()
    print(f"CREDIT_LEDGER_TEST_SEED={seed}")
    return asyncio.run(_lived(Ground(servers), Plan(seed)))


async def _lived(ground: Ground, plan: Plan) -> Story:
    with ground.database() as conninfo:
        async with inside(conninfo) as service, following(lambda: service) as follower:
            async with under_load(lambda: service, plan) as load:
                await load.more(COMMANDS)
            rows = await read_log(conninfo)
            await follower.come_to(rows[-1].position)
        return Story(load.notebook.attempts, await read_log(conninfo), follower.seen)


@pytest.fixture
def story(good: Story) -> Story:
    return good.copied()


def changed(row: Row, **data: Any) -> Row:
    """The row with other data."""
    stored = orjson.loads(row.state)
    stored["data"] |= data
    return _with_state(row, stored)


def said_by(row: Row, **metadata: Any) -> Row:
    """The row with other metadata."""
    stored = orjson.loads(row.state)
    stored["metadata"] |= metadata
    return _with_state(row, stored)


def _with_state(row: Row, stored: dict[str, Any]) -> Row:
    columns = {name: getattr(row, name) for name in COLUMNS}
    return Row(**{**columns, "state": orjson.dumps(stored)})


def one(found: list[str], words: str) -> bool:
    """Whether one thing is wrong, and named."""
    return len(found) == 1 and words in found[0]


def test_a_good_run_is_found_good(good: Story) -> None:
    figures = good.judged()
    assert figures.sound, figures.told()
    assert figures.commands == figures.acknowledged + figures.refused > COMMANDS
    assert figures.refused > 20
    assert {row.topic for row in good.rows} >= {"CreditsHeld", "HoldCaptured", "DeductionReversed", "GrantVoided"}
    assert {row.topic for row in good.rows} >= {"LimitsSet", "UsageMetered"}
    assert any("counts" in row.data for row in good.rows)
    assert not chain_broken(good.rows)


def test_a_lost_command(story: Story) -> None:
    attempt, events = story.a_command()
    story.seen = story.seen[: events[0].position - 1]
    story.remove(events)
    assert one(story.judged().lost, f"{attempt.ask.key} on {attempt.ask.account} was answered 201")


def test_a_hole_in_the_log(story: Story) -> None:
    gone = story.rows.pop(100)
    figures = story.judged()
    assert f"position {gone.position} is missing" in figures.wrong[0]
    assert any("the follower saw position" in sentence for sentence in figures.wrong)


def test_a_command_that_was_carried_out_twice(story: Story) -> None:
    _, (event,) = story.a_command()
    again = said_by(event, request_id="another")
    again.version, again.position, again.receipt = event.version + 1, len(story.rows) + 1, None
    story.rows.append(again)
    assert one(story.judged().duplicated, "is recorded twice")


def test_a_command_that_nobody_asked_for(story: Story) -> None:
    attempt, (event,) = story.a_command()
    story.attempts = [other for other in story.attempts if other is not attempt]
    assert one(story.judged().wrong, f"{event.name} was asked by nobody")


def test_an_event_that_comes_from_no_command(story: Story) -> None:
    _, (event,) = story.a_command()
    story.rows[event.position - 1] = said_by(event, idempotency_key=None)
    assert any("comes from no command" in sentence for sentence in story.judged().wrong)


def test_an_answer_about_something_absent(story: Story) -> None:
    refused = next(one for one in story.attempts if one.code == "insufficient_credits" and one.together is None)
    refused.outcome, refused.status = "ok", 201
    refused.answer = {"version": 1, "position": 1}
    assert one(story.judged().lost, f"{refused.ask.key} on {refused.ask.account}")


@pytest.mark.parametrize("name", ["version", "position", "balance", "deducted", "draws", "balance_after"])
def test_an_answer_that_the_log_does_not_bear_out(story: Story, name: str) -> None:
    attempt, _ = story.a_command()
    attempt.answer = {**attempt.answer, name: 99}
    assert one(story.judged().wrong, f"{name} is 99, and the log has")


def test_a_refused_command_that_is_in_the_log(story: Story) -> None:
    attempt, _ = story.a_command()
    attempt.outcome, attempt.status, attempt.answer = "refused", 402, {"code": "insufficient_credits"}
    assert one(story.judged().wrong, "it was refused and is in the log")


def test_a_refusal_of_what_was_acknowledged_before(story: Story) -> None:
    attempt, (event,) = story.a_command()
    late = attempt.answered_at + 1
    again = replace(attempt, sent_at=late, answered_at=late + 1, outcome="refused", status=402, request_id="again")
    again.answer = {"code": "insufficient_credits"}
    story.attempts.append(again)
    assert one(story.judged().wrong, f"it was refused when {event.name} had long been recorded")
    again.sent_at = attempt.sent_at  # both were under way at once: it may have been there first
    assert story.judged().sound


def test_an_opening_that_is_said_to_be_of_a_closed_account(story: Story) -> None:
    """That of an account that is closed is refused also when it repeats the first; of any other it is a replay."""
    closed = {row.account for row in story.rows if row.topic == "AccountClosed"}
    opened = next(a for a in story.attempts if a.ask.operation == "open" and a.ask.account not in closed and a.status)
    late = max(attempt.answered_at for attempt in story.attempts) + 1
    again = replace(opened, sent_at=late, answered_at=late + 1, outcome="refused", status=409, request_id="again")
    again.answer = {"code": "account_closed"}
    story.attempts.append(again)
    assert one(story.judged().wrong, "had long been recorded")
    story.rows.append(_closing(story.rows, opened.ask.account))
    assert not any("had long been recorded" in sentence for sentence in story.judged().wrong)


def _closing(rows: list[Row], account: str) -> Row:
    """An event that closes the account, at the end of the log."""
    last = max((row for row in rows if row.account == account), key=lambda row: row.version)
    closing = copy.copy(last)
    closing.topic, closing.position, closing.version = "AccountClosed", len(rows) + 1, last.version + 1
    return closing


def test_two_answers_as_something_new(story: Story) -> None:
    attempt, _ = story.a_command()
    story.attempts.append(replace(attempt, request_id="again"))
    figures = story.judged()
    assert one(figures.duplicated, "and again as something new")
    assert one(figures.wrong, "and this was again")


def test_a_replay_that_was_none(story: Story) -> None:
    attempt, _ = story.a_command()
    attempt.status = 200
    assert one(story.judged().wrong, "the log has it from request")


def test_another_amount_than_was_asked_for(story: Story) -> None:
    attempt, (event,) = story.a_command()
    asked = attempt.ask
    attempt.ask = Ask("deduct", asked.account, asked.key, {**asked.body, "amount": event.data["amount"] + 1}, asked.ids)
    assert one(story.judged().wrong, f"{event.name} is not what deduct {asked.key} asked for")


def test_a_key_that_is_said_to_be_used_and_is_not(story: Story) -> None:
    refused = next(one for one in story.attempts if one.code == "insufficient_credits" and one.together is None)
    refused.answer = {"code": "idempotency_key_reused"}
    assert one(story.judged().wrong, "nothing in the log has used the key")


def test_a_failure_of_the_service(story: Story) -> None:
    attempt, _ = story.a_command()
    attempt.outcome, attempt.status, attempt.answer = "unknown", 500, {"code": "internal_error"}
    figures = story.judged()
    assert one(figures.wrong, "something is wrong in the service")
    assert (figures.unknown, figures.settled) == (1, 0)


def test_half_of_an_atomic_batch(story: Story) -> None:
    attempt, _ = story.a_command()
    other = Ask("deduct", attempt.ask.account, "never", {"amount": 1})
    attempt.together = Group((attempt.ask, other), atomic=True)
    unknown = replace(attempt, ask=other, outcome="unknown", status=0, answer={}, request_id=None)
    story.attempts.append(unknown)
    assert one(story.judged().wrong, "of an atomic batch 1 were carried out")


@pytest.mark.parametrize(("index", "is_wrong"), [(0, True), (1, False)])
def test_a_refused_batch_with_what_was_acknowledged_before(story: Story, index: int, *, is_wrong: bool) -> None:
    """It is refused because of the ask that it names; all others may have been carried out elsewhere."""
    attempt, _ = story.a_command()
    group = Group((attempt.ask, Ask("deduct", attempt.ask.account, "never", {"amount": 1})), atomic=True)
    problem = {"code": "batch_refused", "index": index, "cause": {"code": "insufficient_credits"}}
    late = attempt.answered_at + 1
    for ask in group.asks:
        again = replace(attempt, ask=ask, sent_at=late, answered_at=late + 1, outcome="refused", status=409)
        again.request_id, again.answer, again.together = f"again/{ask.key}", problem, group
        story.attempts.append(again)
    if is_wrong:
        assert one(story.judged().wrong, "had long been recorded under this key")
    else:
        assert story.judged().sound


def _without_receipt(row: Row) -> None:
    row.receipt = None


def _with_another_count(row: Row) -> None:
    row.command_events = 2


def _without_fingerprint(row: Row) -> None:
    row.fingerprint = None


@pytest.mark.parametrize("spoil", [_without_receipt, _with_another_count, _without_fingerprint])
def test_a_receipt_that_is_not_right(story: Story, spoil: Callable[[Row], None]) -> None:
    _, (event,) = story.a_command()
    spoil(story.rows[event.position - 1])
    assert one(story.judged().wrong, "lacks the receipt")


def test_what_the_follower_missed(story: Story) -> None:
    position, _ = story.seen.pop(200)
    assert one(story.judged().wrong, f"at position {position}")


def test_what_the_follower_saw_twice(story: Story) -> None:
    story.seen.append(story.seen[200])
    assert one(story.judged().wrong, "twice, or not in order")


def test_what_the_follower_saw_otherwise(story: Story) -> None:
    story.seen[200] = story.seen[200][0], b"another"
    assert one(story.judged().wrong, "with another content")


def test_a_changed_balance_and_swapped_draws_are_complained_of(story: Story) -> None:
    """The refolding is asked too; all that it finds is in test_refolding.py."""
    _, (event,) = story.a_command()
    story.seen = []
    story.rows[event.position - 1] = changed(event, balance={**event.data["balance"], "permanent_credits": 10**9})
    assert any(f"{event.name} says the balance" in sentence for sentence in story.judged().wrong)


@pytest.mark.parametrize("name", ["state", "topic", "subject", "receipt", "fingerprint", "command_events", "version"])
def test_a_chain_that_is_broken(story: Story, name: str) -> None:
    _, (event,) = story.a_command()
    row = story.rows[event.position - 1]
    other: dict[str, Any] = {"state": row.state + b" ", "fingerprint": b"x", "command_events": 7, "version": 10**6}
    setattr(row, name, other.get(name, "another"))
    assert one(chain_broken(story.rows), "has a hash that does not follow")
