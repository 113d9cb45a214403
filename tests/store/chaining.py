"""Rows that a test makes up itself, chained to where their accounts end in the log, and appended."""

from collections.abc import Mapping, Sequence

from ledger.store.batch import Appended, Row, chained
from ledger.store.log import Writer

_ENDS = """
SELECT DISTINCT ON (originator_id) originator_id, hash FROM ledger.events
WHERE originator_id = ANY (%s) ORDER BY originator_id, originator_version DESC
"""


async def append(writer: Writer, rows: Sequence[Row], new_keys: Mapping[str, bytes] | None = None) -> Appended:
    """Append rows that say nothing of hashes."""
    cursor = await writer._connection.execute(_ENDS, ([row.account_id for row in rows],))
    ends = {account_id: bytes(hash_) for account_id, hash_ in await cursor.fetchall()}
    return await writer.append(chained(rows, ends), new_keys or {})
