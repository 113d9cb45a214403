"""Keys that end within a week: whoever made one is told, because a program that uses it would stop without a word."""

from collections.abc import Callable
from datetime import datetime, timedelta

from psycopg.rows import dict_row

from ledger.store import EventLog
from people.api_keys import SQL
from people.sign_in.letters import Tell, key_ends
from people.sign_in.mail_choices import ending_token
from people.sign_in.profiles import Connection, Row

BEFORE = timedelta(days=7)
"""How long before a key ends its maker is told. A key that was made for less is not told of."""
AT_ONCE = 100
"""Keys that one transaction tells of."""


class EndingKeys:
    """Tells people of their keys. Every method raises psycopg.Error, and AccessRefused: public_url_required."""

    def __init__(
        self,
        log: EventLog,
        clock: Callable[[], datetime],
        tell: Tell,
        page: Callable[[str], str],
        own_page: Callable[[str], str],
    ) -> None:
        self._log = log
        self._clock = clock
        self._tell = tell
        self._page = page
        self._own_page = own_page

    async def tell(self) -> None:
        """Tell of all keys that end soon. There is one mail for each end of a key, however often this is called."""
        after = ""
        while True:
            async with self._log.connection() as connection, connection.transaction():
                found = await self._ending(connection, after)
                for row in found:
                    await self._tell_of(connection, row)
            if len(found) < AT_ONCE:
                return
            after = found[-1]["key_id"]

    async def _ending(self, connection: Connection, after: str) -> list[Row]:
        now = self._clock()
        given = {"now": now, "until": now + BEFORE, "before": BEFORE, "after": after, "limit": AT_ONCE}
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(SQL["ending_keys"], given)
            return await cursor.fetchall()

    async def _tell_of(self, connection: Connection, row: Row) -> None:
        token = await ending_token(connection, row["made_by"], "keys")
        if token is None:
            return
        cause = f"key_ends:{row['key_id']}:{row['expires_at'].isoformat()}"
        page, end = self._page(f"accounts/{row['account_id']}/keys"), self._own_page(f"mails/{token}")
        day = f"{row['expires_at']:%d %B %Y}"
        await self._tell(connection, key_ends(row["email"], cause, page, end, row["prefix"], day))
