"""A build of the version before answers what this program asks, until it is replaced."""

from datetime import UTC, datetime
from importlib.resources import files

import psycopg

from ledger.commit.submission import Recorded
from ledger.domain.commands import DeductCredits
from ledger.domain.usage import Usage
from ledger.service import Ledger
from projections.engine.upgrade import Upgrades
from projections.models.usage.projection import USAGE
from projections.models.usage.queries import breakdown, used
from projections.models.views import Views
from tests.postgres import owner
from tests.projections.engine.rebuilt import live_a_life
from tests.projections.moving import projected
from tests.store.asking import open_account, submission

BEFORE = """
ALTER TABLE projection_usage.usage_rows DROP COLUMN cached_tokens CASCADE;
CREATE VIEW projection_usage.usage AS
SELECT a.account_id, u.width, u.bucket, u.group_id, u.credits, u.input_tokens, u.output_tokens, u.uncollected, u.count
FROM projection_usage.usage_rows AS u JOIN projection_usage.usage_accounts AS a ON a.number = u.account;
GRANT SELECT ON projection_usage.usage TO credit_ledger_service;
UPDATE projection_usage.checkpoint SET version = 4;
"""
"""What the fourth version was."""
MIGRATION = (files("projections") / "sql" / "0006_builds_without_cached_tokens.sql").read_bytes()


async def cached_tokens(database: str) -> tuple[int, int]:
    """Those of all usage of bob, as two questions answer them."""
    starts = [datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)]
    async with Views(database).running() as views, views.snapshot(USAGE) as moment:
        groups = await used(moment, "bob", starts, ("model",), 100)
        whole = await breakdown(moment, "bob", starts, limit=100, series=8)
    return sum(one.cached_tokens for one in groups), whole.total.cached_tokens


async def test_usage_without_cached_tokens_answers_0_until_it_is_built_again(ledger: Ledger, database: str) -> None:
    await live_a_life(ledger, "ada")
    usage: Usage = {"model": "m1", "input_tokens": 4, "cached_tokens": 30}
    await open_account(ledger, "bob", permanent=5)
    done = await ledger.execute(submission(DeductCredits("bob", 1, "cached", usage=usage), "live", "cached", ("c",)))
    assert isinstance(done, Recorded)
    await projected(ledger, database)
    assert await cached_tokens(database) == (30, 30)
    with psycopg.connect(owner(database), autocommit=True) as connection:
        connection.execute(BEFORE)
        for _ in range(2):
            connection.execute(MIGRATION)
    assert await cached_tokens(database) == (0, 0)
    await Upgrades(database, ledger.log, lambda: True, projections=[USAGE]).run_once()
    assert await cached_tokens(database) == (30, 30)
