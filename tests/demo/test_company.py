"""The demo's company: as it is planned, and as it is once the ledger has carried the plan out."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random

import psycopg
import pytest

from api.cli.progress import Lines
from api.contract.operations import ALL_OPERATIONS
from api.demo.activities import ACTORS, _CustomerActivities, plan_company
from api.demo.company import COMPANY, SHOWCASE_ACCOUNT, Step, make_customers
from api.demo.filling import Filled, fill
from api.demo.plan import Plan, PlanMismatch, PlannedCommand
from ledger.commit.submission import Submission
from ledger.domain.account import Account
from ledger.domain.commands import DeductCredits, OpenAccount
from ledger.domain.errors import InsufficientCredits
from ledger.explain.subscriptions.answer import subscriptions_now
from ledger.moves import Moved, move
from ledger.service import Ledger
from ledger.store.records.codec import TOPICS, Metadata
from projections.engine.builds import live
from projections.models.catalog import PROJECTIONS
from tests.demo.conftest import BEGINS, NOW, small_plan

WEEK = timedelta(days=7)
SECOND_HALVES = {"receive", "send_back"}
APP = Metadata(ACTORS["deduct"], "deduct", None, "")


def by(plan: list[PlannedCommand], account_id: str) -> list[PlannedCommand]:
    return [planned for planned in plan if planned.account_id == account_id]


def test_the_same_seed_and_moment_make_the_same_plan(plan: list[PlannedCommand]) -> None:
    assert small_plan() == plan


@pytest.mark.parametrize("days", range(7))
def test_a_plan_can_be_made_on_any_day(days: int) -> None:
    """Its rules refuse nothing but what is meant, and everything happens that can."""
    now = NOW + timedelta(days=days, hours=3 * days)
    plan = list(plan_company(Random(days), now, weeks=2, accounts=9))
    refusals = {"insufficient_credits", "limit_reached", "account_frozen", "account_closed"}
    assert {planned.refusal for planned in plan} >= refusals
    assert {planned.metadata.operation for planned in plan} == {*ALL_OPERATIONS, *SECOND_HALVES, "expire"}


def test_a_plan_is_in_the_order_of_time_and_ends_minutes_ago(plan: list[PlannedCommand]) -> None:
    moments = [planned.moment for planned in plan]
    assert moments == sorted(moments)
    last = [planned.moment for planned in by(plan, SHOWCASE_ACCOUNT) if planned.metadata.operation == "deduct"][-1]
    assert timedelta(minutes=1) < NOW - last < timedelta(minutes=5)


def test_a_plan_stops_when_the_rules_answer_otherwise() -> None:
    plan = Plan(BEGINS, NOW, Random(1))
    opening = PlannedCommand(BEGINS, APP, OpenAccount("ada", 100))
    assert plan.ask(opening)
    with pytest.raises(PlanMismatch, match="account_exists"):
        plan.ask(opening)
    with pytest.raises(PlanMismatch, match="no refusal"):
        plan.ask(PlannedCommand(NOW, APP, DeductCredits("ada", 1), refusal="account_frozen"))
    with pytest.raises(InsufficientCredits):
        plan.ask(PlannedCommand(NOW, APP, DeductCredits("ada", 101)))


def test_a_capture_that_draws_more_than_there_is_is_asked_nevertheless() -> None:
    """As any step of a customer who does not know that there are no credits."""
    script = (Step("now", "hold", {"amount": 90}), Step("+1m", "capture", {"amount": 500, "on_excess": "draw"}))
    theo = next(one for one in make_customers(Random(1), 9) if one.tries_without_credits)
    plan = Plan(BEGINS, NOW, Random(1))
    plan.follow(_CustomerActivities(plan, theo._replace(script=script, leaves=0.0)).open_account())
    refused = [planned for planned in plan.commands() if planned.refusal]
    assert [(one.metadata.operation, one.refusal) for one in refused] == [("capture", "insufficient_credits")]


def test_only_what_is_meant_to_be_is_refused(plan: list[PlannedCommand], company: tuple[str, Filled]) -> None:
    """The filling itself holds every answer against the plan."""
    conninfo, filled = company
    refused = Counter(planned.refusal for planned in plan if planned.refusal)
    assert {"insufficient_credits", "limit_reached", "account_frozen", "account_closed"} <= set(refused)
    assert filled.commands == len(plan)
    assert filled.refusals == refused.total()
    with psycopg.connect(conninfo) as connection:
        counted = connection.execute("SELECT code, sum(count)::int FROM measures.refusals GROUP BY code").fetchall()
    assert dict(counted) == refused


async def test_filling_stops_when_the_ledger_answers_otherwise(database: str, plan: list[PlannedCommand]) -> None:
    with pytest.raises(PlanMismatch, match="is what came of"):
        await fill(database, [plan[0], plan[1]._replace(version=7)], BEGINS, NOW, Lines())


def test_everything_happens_that_can(company: tuple[str, Filled]) -> None:
    assert set(company[1].events) == set(TOPICS) - {"TextsErased"}


def test_events_are_recorded_at_the_moments_of_the_plan(
    plan: list[PlannedCommand], company: tuple[str, Filled]
) -> None:
    query = "SELECT recorded_at FROM ledger.event_log WHERE account_id = %s AND version = %s"
    done = [planned for planned in plan if planned.refusal is None][:: len(plan) // 40]
    with psycopg.connect(company[0]) as connection:
        found = [connection.execute(query, [planned.account_id, planned.version]).fetchone() for planned in done]
    assert found == [(planned.moment,) for planned in done]


async def test_moves_are_recorded_as_if_a_caller_had_asked(
    plan: list[PlannedCommand], company: tuple[str, Filled]
) -> None:
    """Asked again with the same key, both halves answer that they are done."""
    firsts = [planned for planned in plan if planned.moves and planned.metadata.operation not in SECOND_HALVES]
    assert {planned.metadata.operation for planned in firsts} == {"transfer", "transfer_reversal", "merge"}
    async with Ledger(company[0], clock=lambda: NOW).running() as ledger:
        for planned in firsts:
            again = planned.metadata._replace(request_id="again")
            done = await move(ledger, Submission(planned.command, again, planned.fingerprint))
            assert isinstance(done, Moved), done
            assert (done.first.replayed, done.second.replayed) == (True, True)


def test_expiries_are_noticed_within_a_second(company: tuple[str, Filled]) -> None:
    query = """
        SELECT recorded_at - (data ->> 'effective_at')::timestamptz FROM ledger.event_log
        WHERE type IN ('CreditsExpired', 'HoldExpired')
    """
    with psycopg.connect(company[0]) as connection:
        late = [row[0] for row in connection.execute(query)]
    assert late
    assert timedelta(0) <= min(late) <= max(late) < timedelta(seconds=1.01)


def test_the_first_page_has_everything(company: tuple[str, Filled]) -> None:
    conninfo, filled = company
    with psycopg.connect(conninfo) as connection:
        for projection in PROJECTIONS:
            query = f"SELECT position, problem FROM {live(projection).schema}.checkpoint"
            assert connection.execute(query.encode()).fetchone() == (filled.events.total(), None)


def test_people_work_by_day_and_on_weekdays(plan: list[PlannedCommand]) -> None:
    """Those of Berlin, whose days are two hours ahead of UTC in May."""
    team = [planned.moment + timedelta(hours=2) for planned in by(plan, SHOWCASE_ACCOUNT) + by(plan, "team-marigold")]
    week = Counter(moment.weekday() for moment in team)
    hours = Counter(moment.hour for moment in team)
    assert week[5] + week[6] < min(week[day] for day in range(5))
    assert sum(hours[hour] for hour in range(6)) * 10 < sum(hours[hour] for hour in range(9, 15))


def test_each_account_has_what_it_is_known_for(plan: list[PlannedCommand]) -> None:
    asked = {account: Counter[str | None]() for account in {planned.account_id for planned in plan}}
    for planned in plan:
        asked[planned.account_id][planned.refusal or planned.metadata.operation] += 1
    assert asked["theo-marsh"]["insufficient_credits"] > 1
    short = [one.command for one in by(plan, "theo-marsh") if isinstance(one.command, DeductCredits)][-3:]
    assert {command.on_shortfall for command in short} == {"available"}
    assert asked["pixel-foundry"]["account_frozen"] > 1
    assert asked["iris-valdez"]["unfreeze"] == 1
    assert (asked["ben-ashdown"]["close"], asked["ben-ashdown"]["reopen"]) == (2, 1)
    last = {planned.account_id: planned.moment for planned in plan if planned.metadata.operation == "deduct"}
    assert last["team-marigold"] < NOW - WEEK / 2
    kestrel = [
        planned.moment >= NOW - WEEK for planned in by(plan, "team-kestrel") if planned.metadata.operation == "deduct"
    ]
    assert 2 * kestrel.count(False) < kestrel.count(True)


def test_the_docs_say_what_each_account_is_known_for() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    for account_id, known in COMPANY.customers.items():
        assert f"| `{account_id}` | {known['known_for']} |\n" in docs


async def _showcase_account(conninfo: str) -> Account:
    async with Ledger(conninfo, clock=lambda: NOW).running() as ledger:
        found = await ledger.account_at(SHOWCASE_ACCOUNT)
    assert found is not None
    return found.account


async def test_the_showcase_account_has_what_a_page_is_worth_looking_at_for(company: tuple[str, Filled]) -> None:
    account = await _showcase_account(company[0])
    subscription = [lot for lot in account.lots if lot.kind == "subscription"]
    assert {lot.expires_at and lot.expires_at - NOW < WEEK for lot in subscription} == {True, False}
    assert subscription[0].expires_at == NOW - timedelta(hours=51) + timedelta(days=8)
    [plan] = subscriptions_now(account, NOW)
    assert (plan["plan"], plan["status"], plan["current_period_end"]) == ("max", "active", NOW + timedelta(days=4))
    assert account.balance.permanent > 0
    assert len(account.holds) == 1
    assert [grant.effective_at > NOW for grant in account.coming] == [True]


def test_the_showcase_account_has_members_projects_and_providers(plan: list[PlannedCommand]) -> None:
    commands = [planned.command for planned in by(plan, SHOWCASE_ACCOUNT)]
    done = [command for command in commands if isinstance(command, DeductCredits)]
    usage = [command.usage for command in done if command.usage]
    assert len(usage) == len(done)
    assert len({said["member"] for said in usage}) == 5
    assert len({said["project"] for said in usage}) == 4
    assert len({said["provider"] for said in usage}) == 4
    assert all(command.description for command in done)
    assert {said["success"] for said in usage} == {True, False}
    assert all(said["duration_ms"] for said in usage)


def test_everything_happens_to_the_showcase_account_but_to_its_standing(company: tuple[str, Filled]) -> None:
    with psycopg.connect(company[0]) as connection:
        query = "SELECT DISTINCT type FROM ledger.event_log WHERE account_id = %s"
        found = {name for (name,) in connection.execute(query, [SHOWCASE_ACCOUNT])}
    standing = {"AccountFrozen", "AccountUnfrozen", "AccountClosed", "AccountReopened", "TextsErased"}
    assert found == set(TOPICS) - standing
