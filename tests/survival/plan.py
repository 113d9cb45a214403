"""The plan of a run: everything that chance decides comes from one seed, so that a run can be asked for again.

The seed decides which commands are asked, of which accounts, how long is waited and what is struck when. What it cannot
decide is how fast the machine is, so a second run meets the same blows at other instructions.
"""

import os
import random

SEED_VARIABLE = "CREDIT_LEDGER_TEST_SEED"


class Plan:
    """A seed, and chance by the name of whoever takes it: one caller more leaves what the others do as it was."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def chance(self, name: str) -> random.Random:
        """What `name` decides by."""
        return random.Random(f"{self.seed}/{name}")


def fresh_seed() -> int:
    """The seed that the environment names, else a new one."""
    named = os.environ.get(SEED_VARIABLE)
    return int(named) if named else random.SystemRandom().randrange(10**9)
