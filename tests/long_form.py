"""How often a test repeats what chance decides: a few times in every run, and in the long form, `scripts/test --long`,
as often as it takes to find what is rare."""

import os

LONG = "CREDIT_LEDGER_TEST_LONG" in os.environ


def times(few: int, many: int) -> int:
    """How often: `many` in the long form."""
    return many if LONG else few
