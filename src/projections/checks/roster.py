"""The roster: all accounts that are in the log or in any projection, also those that are in only one of them."""

import random
from collections.abc import Sequence

from psycopg import sql

from projections.checks.refold import REFOLDED, SQL, Connection
from projections.engine.builds import build_states, live

_LOG = sql.Identifier("ledger", "event_log")


async def next_accounts(connection: Connection, after: str, limit: int) -> list[str]:
    """A page of account ids above `after`, sorted."""
    there = await build_states(connection, [live(projection) for projection in REFOLDED])
    tables = [
        sql.Identifier(projection.schema, table.name)
        for projection in REFOLDED
        if projection.schema in there and there[projection.schema].version == projection.version
        for table in projection.tables
        if table.of_accounts
    ]
    found: set[str] = set()
    for table in (_LOG, *tables):
        statement = sql.SQL(SQL["next_accounts"]).format(table=table)
        cursor = await connection.execute(statement, {"after": after, "limit": limit})
        found.update(account_id for (account_id,) in await cursor.fetchall())
    return sorted(found)[:limit]


async def sample(connection: Connection, size: int) -> list[str]:
    """A random sample of `size` accounts, or all accounts when there are fewer.

    Half of them are the accounts of random events, so that busy accounts are checked more often. The other half are
    consecutive ids, so that accounts with one event or none are checked too.
    """
    end = await log_end(connection)
    positions = random.choices(range(1, end + 1), k=size) if end else []  # noqa: S311  # a sample, not a secret
    cursor = await connection.execute(SQL["accounts_at"], {"positions": positions})
    at_events = [account_id for (account_id,) in await cursor.fetchall()]
    random.shuffle(at_events)
    chosen = dict.fromkeys(at_events[: (size + 1) // 2])
    begin = random.choice(at_events) if at_events else ""  # noqa: S311
    for after in (begin, ""):
        if len(chosen) < size:
            coming = await next_accounts(connection, after, size)
            fresh = [account_id for account_id in coming if account_id not in chosen]
            chosen |= dict.fromkeys(fresh[: size - len(chosen)])
    return list(chosen)


async def log_end(connection: Connection) -> int:
    """The position of the last event; 0 when the log is empty."""
    return await _number(connection, "log_end")


async def how_many(connection: Connection) -> int:
    """The number of accounts in the log."""
    return await _number(connection, "how_many")


async def without_events(connection: Connection, accounts: Sequence[str]) -> list[str]:
    """Those of some accounts that have no events in the log."""
    cursor = await connection.execute(SQL["without_events"], {"accounts": list(accounts)})
    return [account_id for (account_id,) in await cursor.fetchall()]


async def _number(connection: Connection, name: str) -> int:
    row = await (await connection.execute(SQL[name])).fetchone()
    return int(row[0]) if row else 0
