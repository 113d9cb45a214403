"""Lists of accounts with filters: every way to find them gives the same, and none reads more than it must."""

from itertools import product

import psycopg
import pytest

from ledger.domain.account import Standing
from projections.models.balances import queries
from projections.models.balances.projection import BALANCES
from projections.models.balances.queries import Filters, Sort, accounts_page
from projections.models.views import Snapshot, Views
from tests.postgres import owner

ACCOUNTS = 4_000
SORTS: list[Sort] = ["account_id", "balance", "activity"]
STANDINGS: list[Standing | None] = [None, "active", "frozen", "closed"]
LABELS = [(), (("plan", "pro"),), (("region", "rare"),), (("plan", "pro"), ("region", "rare")), (("plan", "none"),)]
"""Of every account: half of them are pro, one in two thousand is in a rare region; one in five hundred is frozen."""
FILL = """
    SET search_path TO projection_balances;
    INSERT INTO accounts (
        account_id, version, standing, opened_at, last_activity_at, subscription, permanent, held
    )
    SELECT 'a-' || n, 1, CASE n % 500 WHEN 0 THEN 'frozen' WHEN 1 THEN 'closed' ELSE 'active' END,
           now(), now() - n % 77 * interval '1 s', 0, n % 97, 0
    FROM generate_series(1, {0}) AS n;
    INSERT INTO labels
    SELECT 'a-' || n, 'plan', CASE n % 2 WHEN 0 THEN 'pro' ELSE 'free' END FROM generate_series(1, {0}) AS n
    UNION ALL
    SELECT 'a-' || n, 'region', CASE n % 2000 WHEN 0 THEN 'rare' ELSE 'eu' END FROM generate_series(1, {0}) AS n;
    ANALYZE accounts; ANALYZE labels;
"""


@pytest.fixture
def filled(database: str) -> str:
    with psycopg.connect(owner(database), autocommit=True) as connection:
        connection.execute(FILL.format(ACCOUNTS).encode())
    return database


def expected(filters: Filters) -> set[str]:
    found = set()
    for n in range(1, ACCOUNTS + 1):
        standing = {0: "frozen", 1: "closed"}.get(n % 500, "active")
        own = {("plan", "free" if n % 2 else "pro"), ("region", "eu" if n % 2_000 else "rare")}
        if filters.standing in (None, standing) and own >= set(filters.labels):
            found.add(f"a-{n}")
    return found


async def test_every_way_to_find_accounts_gives_the_same(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether few or many accounts are thought to have the rarest label."""
    async with Views(filled).running() as views, views.snapshot(BALANCES) as moment:
        for labels, standing, sort in product(LABELS, STANDINGS, SORTS):
            filters = Filters(standing=standing, labels=labels)
            pages = []
            for few in (1_000, 0):
                monkeypatch.setattr(queries, "FEW", few)
                rows = await accounts_page(moment, sort, filters, after=None, limit=ACCOUNTS)
                pages.append([row["account_id"] for row in rows])
            assert pages[0] == pages[1], (filters, sort)
            assert set(pages[0]) == expected(filters), (filters, sort)


async def test_no_page_reads_all_accounts(filled: str) -> None:
    """By the plan that the service's connections use, which is made for any label."""
    async with Views(filled).running() as views, views.snapshot(BALANCES) as moment:
        for labels, standing, sort in product(LABELS, STANDINGS, SORTS):
            if standing in {None, "active"} or not labels or sort == "account_id":
                before = await read(moment)
                await accounts_page(moment, sort, Filters(standing=standing, labels=labels), after=None, limit=51)
                assert await read(moment) - before < ACCOUNTS / 2, (labels, standing, sort)


async def read(moment: Snapshot) -> int:
    """The rows of accounts that this transaction has read so far."""
    row = await moment.row("SELECT pg_stat_get_xact_tuples_fetched('projection_balances.accounts'::regclass) AS rows")
    assert row is not None
    return int(row["rows"])
