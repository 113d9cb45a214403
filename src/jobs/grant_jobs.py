"""Grant jobs: one grant to each of many accounts, begun once and run until every account has it.

The ledger knows from its receipts who has the grant of a job. What it cannot know is kept here: the terms of a job,
and the accounts that had its labels when it began.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from ledger.postgres.named_sql import queries

_SQL = queries("jobs", "sql/grant_jobs.sql")
_ROWS = 10_000
"""The accounts that one statement adds."""

Terms = Mapping[str, Any]
"""The terms of a job, as JSON has them."""
Connection = AsyncConnection[Any]


class BegunJob(NamedTuple):
    """A job that was begun: its terms, and the accounts that were kept with it, sorted."""

    terms: Terms
    accounts: list[str]


async def begun(connection: Connection, job: str) -> BegunJob | None:
    """A job; None when it was not begun."""
    row = await (await connection.execute(_SQL["terms_of"], {"job": job})).fetchone()
    if row is None:
        return None
    cursor = await connection.execute(_SQL["accounts_of"], {"job": job})
    return BegunJob(row[0], [account_id for (account_id,) in await cursor.fetchall()])


async def begin(
    connection: Connection, job: str, terms: Terms, accounts: Sequence[str], *, include_new: bool
) -> BegunJob:
    """Begin a job with some accounts. One that was begun before stays as it is, or gets more with `include_new`."""
    async with connection.transaction():
        is_new = (await connection.execute(_SQL["begin"], {"job": job, "terms": Jsonb(terms)})).rowcount == 1
        for start in range(0, len(accounts) if is_new or include_new else 0, _ROWS):
            some = list(accounts[start : start + _ROWS])
            await connection.execute(_SQL["add_accounts"], {"job": job, "accounts": some})
        found = await begun(connection, job)
    assert found is not None, "it was begun just now, or before"
    return found
