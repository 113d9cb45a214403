"""Laws of the projections, on random logs: however they are cut into pages and runs, their rows are what the events
add up to, and their sums agree with each other."""

import random
from collections import defaultdict
from itertools import pairwise, product

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.commands import DeductCredits, OpenAccount, ReverseDeduction
from ledger.domain.events import CreditsDeducted
from ledger.domain.usage import DIMENSIONS
from projections.models.usage.projection import group_id
from tests.domain.journal import ACCOUNT_ID, Journal
from tests.long_form import times
from tests.projections.bench import Bench
from tests.projections.folding import PLACES, Row, Tables, Told, folded
from tests.projections.histories import logs
from tests.projections.stored import assert_same, positions, problems, rows_to_compare

many = settings(
    deadline=None,
    max_examples=times(40, 120),
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@many
@given(log=logs(), seed=st.integers(0, 2**32))
def test_rows_are_what_the_events_add_up_to(bench: Bench, log: list[Told], seed: int) -> None:
    """Some events are appended, projected in pages of some size, then more: nothing of that shows in the rows."""
    chance = random.Random(seed)
    bench.empty()
    bench.run(_projected_in_parts(bench, log, chance))
    rows = rows_to_compare(bench.plain)
    assert not problems(bench.plain)
    assert set(positions(bench.plain).values()) == {len(log)}
    assert_same(rows, folded(log))
    sums_agree(rows)


async def _projected_in_parts(bench: Bench, log: list[Told], chance: random.Random) -> None:
    cuts = sorted(chance.choices(range(len(log) + 1), k=chance.randrange(4)))
    for start, end in pairwise([0, *cuts, len(log)]):
        await bench.append(log[start:end])
        await bench.project(chance.randint(1, 50))


def test_no_two_groups_have_one_id() -> None:
    """Whatever is named, left out or empty in them: with one id, neither of the two could be projected."""
    groups = list(product((None, "", "a"), repeat=len(DIMENSIONS)))
    assert len({group_id(group) for group in groups}) == len(groups)


def test_sums_may_outgrow_a_bigint(bench: Bench) -> None:
    """The largest amount again and again, in one quarter of an hour and one group, in one batch and in many."""
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID, MAX_AMOUNT))
    tokens = dict.fromkeys(("input_tokens", "output_tokens", "cached_tokens"), MAX_AMOUNT)
    usage: dict[str, str | int] = {"model": "m", **tokens}
    for _ in range(2**63 // MAX_AMOUNT + 1):
        (deducted,) = journal.carry_out(DeductCredits(ACCOUNT_ID, MAX_AMOUNT, usage=usage))
        assert isinstance(deducted, CreditsDeducted)
        journal.carry_out(ReverseDeduction(ACCOUNT_ID, deducted.deduction_id))
    log = [Told(version, ACCOUNT_ID, version, event) for version, event in enumerate(journal.events, 1)]
    expected = folded(log)
    bench.empty()
    bench.run(bench.append(log))
    for page in (2_000, 90):
        bench.empty_projections()
        bench.run(bench.project(page))
        rows = rows_to_compare(bench.plain)
        assert_same(rows, expected)
        sums_agree(rows)


# Sums: what must be true of the rows whatever the events were. ------------------------------------------------------


def sums_agree(rows: Tables) -> None:
    accounts, entries = _rows(rows, "balances.accounts"), _rows(rows, "history.entries")
    _grants_add_up(rows)
    _balances_run(entries, {row["account_id"]: row["total"] for row in accounts})
    _deductions_are_the_same_everywhere(rows)
    _what_is_outstanding_is_what_accounts_have(rows)


def _rows(rows: Tables, table: str) -> list[Row]:
    return list(rows.get(table, {}).values())


def _grants_add_up(rows: Tables) -> None:
    held: defaultdict[str, int] = defaultdict(int)
    left: defaultdict[str, int] = defaultdict(int)
    for grant in _rows(rows, "balances.grants"):
        assert sum(grant[place] for place in PLACES) == grant["amount"]
        held[grant["account_id"]] += grant["held"]
        left[grant["account_id"]] += grant["remaining"] + grant["held"]
    for account in _rows(rows, "balances.accounts"):
        assert held[account["account_id"]] == account["held"]
        assert left[account["account_id"]] == account["total"]
    for hold in _rows(rows, "balances.holds"):
        held[hold["account_id"]] -= hold["held"]
    disputed = {row["account_id"] for row in _rows(rows, "payments.disputes")}
    rest = {account_id: credits for account_id, credits in held.items() if credits}
    assert rest.keys() <= disputed, "what grants have held is not what holds and disputes hold"
    assert all(credits > 0 for credits in rest.values())


def _balances_run(entries: list[Row], totals: dict[str, int]) -> None:
    """Each entry begins with the balance at which the one before ended, in the order of time and of sequence alike."""
    running = dict.fromkeys(totals, 0)
    for entry in sorted(entries, key=lambda row: (row["account_id"], row["sequence"])):
        before = entry["balance"] - entry["subscription"] - entry["permanent"]
        assert before == running[entry["account_id"]]
        running[entry["account_id"]] = entry["balance"]
    assert running == totals
    by_time = sorted(entries, key=lambda row: (row["account_id"], row["recorded_at"], row["sequence"]))
    assert by_time == sorted(entries, key=lambda row: (row["account_id"], row["sequence"]))


def _deductions_are_the_same_everywhere(rows: Tables) -> None:
    rollups = _rows(rows, "rollups.rollups")
    usage_rows = _rows(rows, "usage.usage")
    spending = [row for row in _rows(rows, "history.entries") if row["type"] in ("deduction", "capture")]
    spent = -sum(row["subscription"] + row["permanent"] for row in spending)
    for width in (15, 60):
        assert spent == sum(row["deducted"] for row in rollups if row["width"] == width)
        usage = [row for row in usage_rows if row["width"] == width]
        assert spent == sum(row["credits"] for row in usage)
        assert len(spending) == sum(row["count"] for row in usage)
        moved = [row for row in usage_rows if row["width"] == -width]
        assert not any(sum(row[name] for row in moved) for name in ("credits", "count")), "what moves stays the same"
    assert spent == sum(row["deducted"] for row in _rows(rows, "statistics.statistics"))
    reversed_again = sum(row["reversed"] for row in rollups if row["width"] == 15)
    assert spent - reversed_again == sum(row["spent"] for row in _rows(rows, "balances.grants"))


def _what_is_outstanding_is_what_accounts_have(rows: Tables) -> None:
    for kind in ("subscription", "permanent"):
        outstanding = sum(row[kind] for row in _rows(rows, "statistics.statistics"))
        assert outstanding == sum(row[kind] for row in _rows(rows, "balances.accounts"))
