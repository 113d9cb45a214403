"""What is measured of usage: slots of durations, percentiles, and their sums."""

from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.amounts import MAX_AMOUNT
from projections.models.measured import WITHIN, Measured, duration_of, measured_in, slot_of
from tests.projections.folding import measured

DURATIONS = st.integers(0, 100) | st.integers(0, 100_000) | st.integers(0, MAX_AMOUNT)


@pytest.mark.parametrize(
    ("duration_ms", "slot"), [(0, -1), (1, 0), (2, 7), (3, 11), (10, 24), (11, 24), (1_000, 70), (86_400_000, 183)]
)
def test_slots(duration_ms: int, slot: int) -> None:
    assert slot_of(duration_ms) == slot


@given(DURATIONS)
def test_a_slot_stands_for_its_durations(duration_ms: int) -> None:
    assert abs(duration_of(slot_of(duration_ms)) - duration_ms) <= WITHIN * duration_ms


@given(st.lists(DURATIONS, min_size=1, max_size=60), st.sampled_from([0, 50, 95, 100]))
def test_percentiles_are_within_five_percent(durations: list[int], percent: int) -> None:
    exact = sorted(durations)[floor(percent * (len(durations) - 1) / 100)]
    found = Measured().plus(of(duration_ms=one) for one in durations)
    percentile = found.percentile(percent)
    assert percentile is not None
    assert abs(percentile - exact) <= WITHIN * exact
    assert (found.timed, found.duration_ms) == (len(durations), sum(durations))


@given(
    st.fixed_dictionaries(
        {}, optional={"quantity": st.integers(0, 9), "success": st.booleans(), "duration_ms": DURATIONS}
    )
)
def test_the_naive_model_measures_the_same(usage: dict[str, int]) -> None:
    assert sorted(measured_in(usage)) == sorted(measured(usage))


def test_what_is_said_adds_up() -> None:
    said = [of(quantity=5), of(quantity=0), of(quantity=1), of(success=False), of(success=True), of()]
    found = Measured().plus(said)
    assert (found.quantity(6), found.failures, found.timed, found.percentile(50)) == (9, 1, 0, None)


def of(**usage: int) -> Measured:
    return Measured({slot: (1, said) for slot, said in measured_in(usage)})
