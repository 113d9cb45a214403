"""How long everything is measured: the whole run, or a short one that shows that everything works."""

from dataclasses import dataclass

ACCOUNTS = 10_000
"""Accounts that the load is spread over, on both sides. The load scripts count on five digits."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Durations in seconds, and numbers of repetitions."""

    name: str
    rounds: int
    """Turns that every rival gets; the figure is the median of its turns."""
    seconds: int
    """One turn under load."""
    warm_up: int
    """Load before a turn, on the very service that is measured: caches, prepared statements, connections."""
    pgbench_seconds: int
    latency_seconds: int
    old_events: int
    """Events of the old account in `age`."""
    age_blocks: int
    """Young accounts in `age`, one after the other; see there."""
    touches: int
    """First touches of each of the two accounts in `touch`."""
    cold_accounts: int
    """Accounts that are loaded in `cold-start`."""
    projected_events: int
    """Events of the log in `catching-up`, at least."""
    library_events: int
    """The first of them, which the library's runner gets: it is slow, and its speed does not depend on how many."""
    lag_seconds: int
    quarter_events: int
    """Events in each quarter of an hour of the year that `depth`, `summary` and `days` look back on."""
    questions: int
    """How often each question of these three is asked."""
    webhooks: int
    """Webhooks of one round in `webhooks`."""
    import_rows: int
    """Rows of the file in `imports`, which has one turn: a million rows take five minutes."""
    what_if: int
    """Accounts of the log in `what-if`, with thirteen uses each."""
    moved: int
    """Accounts of the log in `move`, with sixteen events each."""
    growth: tuple[int, int]
    """Accounts of the small and of the large log in `growth`."""


FULL = Pace(
    "full",
    rounds=3,
    seconds=8,
    warm_up=3,
    pgbench_seconds=6,
    latency_seconds=30,
    old_events=1_000_000,
    age_blocks=40,
    touches=400,
    cold_accounts=10_000,
    projected_events=240_000,
    library_events=20_000,
    lag_seconds=30,
    quarter_events=30,
    questions=400,
    webhooks=8_000,
    import_rows=1_000_000,
    what_if=77_000,
    moved=12_500,
    growth=(12_500, 1_250_000),
)
QUICK = Pace(
    "quick",
    rounds=1,
    seconds=3,
    warm_up=1,
    pgbench_seconds=2,
    latency_seconds=5,
    old_events=100_000,
    age_blocks=10,
    touches=150,
    cold_accounts=1_000,
    projected_events=30_000,
    library_events=2_000,
    lag_seconds=5,
    quarter_events=1,
    questions=100,
    webhooks=2_000,
    import_rows=30_000,
    what_if=2_000,
    moved=500,
    growth=(12_500, 25_000),
)
