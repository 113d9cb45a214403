"""Fingerprints: what was printed once prints the same for ever, or retries across an update would be refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.store.records.receipts import BODY_FIELDS, differing_fields, fingerprint, same_body

GOLDEN: dict[str, list[Any]] = {
    "c84bd3e925b72e7268030de17fcbfe052131eeb3bd539787000000000000000000000000": [200, "task-1", None, None, None],
    "79e494fb160b6f7474a080e2eafda8cd2131eeb3bd539787130a5e7ea696df037e059c2d": [
        200,
        "task-1",
        "A picture",
        {"model": "m", "input_tokens": 3},
        {"a": [1, None, 2.5, "é"]},
    ],
    # The fields that came later leave the print of a body without them as it was.
    "c84bd3e925b72e7268030de17fcbfe052131eeb3bd53978700000000000000000000000000000000": [
        *(200, "task-1", None, None, None),
        None,
    ],
    "c2fe2c8bcb3a1311c6e85328a226b27d2131eeb30762ae69000000000000000000000000": [200, "", None, None, None],
}
_FIELDS = len(BODY_FIELDS["deduct"])
VALUES = st.none() | st.integers(0, 3) | st.sampled_from(["", "0", "1", "null"]) | st.just({"a": 1})
BODIES = st.lists(VALUES, min_size=_FIELDS, max_size=_FIELDS)


@pytest.mark.parametrize("printed", GOLDEN)
def test_golden_fingerprints(printed: str) -> None:
    assert fingerprint(GOLDEN[printed]).hex() == printed


@given(BODIES, BODIES)
def test_two_bodies_have_one_print_only_when_they_are_the_same(one: list[Any], two: list[Any]) -> None:
    prints = fingerprint(one), fingerprint(two)
    assert same_body(*prints) == (one == two)
    names = BODY_FIELDS["deduct"]
    assert differing_fields("deduct", *prints) == [n for n, a, b in zip(names, one, two, strict=True) if a != b]


def test_a_field_that_is_added_later_does_not_change_the_print_of_an_old_body() -> None:
    old, new = fingerprint([200, "task-1", None, None]), fingerprint([200, "task-1", None, None, None])
    assert same_body(old, new)
    assert differing_fields("deduct", old, fingerprint([200, "task-1", None, None, {"a": 1}])) == ["metadata"]
