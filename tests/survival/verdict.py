"""The verdict: what was asked and answered, held against the log. Pure, and without a line of the ledger's own code."""

from collections.abc import Sequence

from tests.survival.attempts import Attempt
from tests.survival.figures import Figures
from tests.survival.log import Row


def judge(attempts: Sequence[Attempt], rows: Sequence[Row], seen: Sequence[tuple[int, bytes]] | None) -> Figures:
    """Everything that is not as it should be; `seen` is what a follower was told, None when nobody followed."""
    return Figures(requests=len(attempts), events=len(rows))
