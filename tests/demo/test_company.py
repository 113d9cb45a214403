"""The demo's company: as it is planned, and as it is once the ledger has carried the plan out."""

from collections import Counter
from datetime import timedelta

import psycopg

from api.demo.books import Wish
from api.demo.filling import Filled
from api.demo.people import STAR
from api.demo.star import PERIOD_ENDS_IN
from ledger.domain.account import Account
from ledger.domain.commands import DeductCredits
from ledger.service import Ledger
from ledger.store.codec import TOPICS
from projections.engine.builds import live
from projections.models.catalog import PROJECTIONS
from tests.demo.conftest import NOW, small_plan

WEEK = timedelta(days=7)


def test_the_same_chance_and_moment_make_the_same_plan(wishes: list[Wish]) -> None:
    assert small_plan() == wishes


def test_a_plan_is_in_the_order_of_time_and_ends_minutes_ago(wishes: list[Wish]) -> None:
    moments = [wish.moment for wish in wishes]
    assert moments == sorted(moments)
    [last] = [wish.moment for wish in wishes if wish.account_id == STAR and wish.operation == "deduct"][-1:]
    assert timedelta(minutes=1) < NOW - last < timedelta(minutes=5)


def test_only_what_is_meant_to_be_is_refused(wishes: list[Wish], company: tuple[str, Filled]) -> None:
    """The filling itself holds every answer against the plan."""
    conninfo, filled = company
    planned = Counter(wish.refusal for wish in wishes if wish.refusal)
    assert {"insufficient_credits", "account_frozen", "account_closed"} <= set(planned)
    assert filled.commands == len(wishes)
    with psycopg.connect(conninfo) as connection:
        counted = connection.execute("SELECT code, sum(count)::int FROM measures.refusals GROUP BY code").fetchall()
    assert dict(counted) == planned


def test_everything_happens_that_can(company: tuple[str, Filled]) -> None:
    assert set(company[1].events) == set(TOPICS) - {"TextsErased"}


def test_events_are_recorded_at_the_moments_of_the_plan(wishes: list[Wish], company: tuple[str, Filled]) -> None:
    query = "SELECT recorded_at FROM ledger.event_log WHERE account_id = %s AND version = %s"
    done = [wish for wish in wishes if wish.refusal is None][:: len(wishes) // 40]
    with psycopg.connect(company[0]) as connection:
        found = [connection.execute(query, [wish.account_id, wish.version]).fetchone() for wish in done]
    assert found == [(wish.moment,) for wish in done]


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


def test_people_work_by_day_and_on_weekdays(wishes: list[Wish]) -> None:
    """Those of Berlin, whose days are two hours ahead of UTC in May."""
    team = [wish.moment + timedelta(hours=2) for wish in wishes if wish.account_id in {STAR, "team-marigold"}]
    week = Counter(moment.weekday() for moment in team)
    hours = Counter(moment.hour for moment in team)
    assert week[5] + week[6] < min(week[day] for day in range(5))
    assert sum(hours[hour] for hour in range(6)) * 10 < sum(hours[hour] for hour in range(9, 15))


def test_each_story_is_told(wishes: list[Wish]) -> None:
    asked = {account: Counter[str | None]() for account in {wish.account_id for wish in wishes}}
    for wish in wishes:
        asked[wish.account_id][wish.refusal or wish.operation] += 1
    assert asked["theo-marsh"]["insufficient_credits"] > 1
    assert asked["pixel-foundry"]["account_frozen"] > 1
    assert asked["iris-valdez"]["unfreeze"] == 1
    assert asked["ben-ashdown"]["close"] == 1
    last = {wish.account_id: wish.moment for wish in wishes if wish.operation == "deduct"}
    assert last["team-marigold"] < NOW - WEEK / 2
    kestrel = [wish for wish in wishes if wish.account_id == "team-kestrel" and wish.operation == "deduct"]
    assert 2 * sum(wish.moment < NOW - WEEK for wish in kestrel) < sum(wish.moment >= NOW - WEEK for wish in kestrel)


async def _star(conninfo: str) -> Account:
    async with Ledger(conninfo, clock=lambda: NOW).running() as ledger:
        found = await ledger.account_at(STAR)
    assert found is not None
    return found.account


async def test_the_star_has_what_a_page_is_worth_looking_at_for(company: tuple[str, Filled]) -> None:
    account = await _star(company[0])
    subscription = [lot for lot in account.lots if lot.kind == "subscription"]
    assert {lot.expires_at and lot.expires_at - NOW < WEEK for lot in subscription} == {True, False}
    assert subscription[0].expires_at == NOW + PERIOD_ENDS_IN
    assert account.balance.permanent > 0
    assert len(account.holds) == 1


def test_the_star_has_members_projects_and_providers(wishes: list[Wish]) -> None:
    done = [wish.command for wish in wishes if wish.account_id == STAR and isinstance(wish.command, DeductCredits)]
    usage = [command.usage for command in done if command.usage]
    assert len(usage) == len(done)
    assert len({said["member"] for said in usage}) == 5
    assert len({said["project"] for said in usage}) == 4
    assert len({said["provider"] for said in usage}) == 4
    assert all(command.description for command in done)


def test_everything_happens_to_the_star_but_to_its_standing(company: tuple[str, Filled]) -> None:
    with psycopg.connect(company[0]) as connection:
        query = "SELECT DISTINCT type FROM ledger.event_log WHERE account_id = %s"
        found = {name for (name,) in connection.execute(query, [STAR])}
    standing = {"AccountFrozen", "AccountUnfrozen", "AccountClosed", "TextsErased"}
    assert found == set(TOPICS) - standing
