"""Where somebody goes on who signs in: with the invitation from whose page they came, in their settings, at the page of
an account that they had opened or to which a mail led them, or at home.

A way back is a word of ours, with the secret of an invitation or the id of an account, never an address: nobody can be
sent elsewhere by it.
"""

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ledger.postgres.named_sql import queries
from ledger.store import EventLog

SQL = queries("people", "sql/users.sql")
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,200}")
OVERVIEW, SETTINGS = "overview", "settings"
_PAGES = "usage|limits|team|billing|plans|keys|audit"
"""The pages of accounts to which somebody may come back, besides the overview."""
_ACCOUNT = r"(?P<account>(usr|team)_[0-9a-f]{20})"
_WORD = re.compile(rf"(?P<page>{OVERVIEW}|{_PAGES})\.{_ACCOUNT}")
_PATH = re.compile(rf"(.*/)?accounts/{_ACCOUNT}(/(?P<page>{_PAGES})|/(?P<team>team)/(usage|limits))?")
"""A page below that of a team leads back to that one."""
_SETTINGS = re.compile(r"(?!.*/accounts/).*/settings")


class WayBack(NamedTuple):
    """Where somebody goes on who signs in. Nothing is set: at home."""

    invitation: str = ""
    """The secret of an invitation into a team."""
    settings: bool = False
    account: str = ""
    """The account of a page that somebody opened."""
    page: str = ""

    @property
    def below(self) -> tuple[str, ...]:
        """The page as the end of its path, below the account."""
        return () if self.page == OVERVIEW else (self.page,)

    @classmethod
    def of(cls, invitation: str, to: str) -> "WayBack":
        """The one that an address names by its parameters `invitation` and `to`; home for anything else."""
        if _SECRET.fullmatch(invitation):
            return cls(invitation)
        named = _WORD.fullmatch(to)
        return cls(account=named["account"], page=named["page"]) if named else cls(settings=to == SETTINGS)

    @classmethod
    def of_path(cls, path: str) -> "WayBack":
        """The one to a page that somebody asked for; home for any other path."""
        asked = _PATH.fullmatch(path)
        if asked is None:
            return cls(settings=_SETTINGS.fullmatch(path) is not None)
        return cls(account=asked["account"], page=asked["page"] or asked["team"] or OVERVIEW)

    @property
    def query(self) -> str:
        """What keeps it in the address of a page; empty for home."""
        if self.invitation:
            return f"?invitation={self.invitation}"
        return f"?to={self._to}" if self._to else ""

    @property
    def _to(self) -> str:
        if self.account:
            return f"{self.page}.{self.account}"
        return SETTINGS if self.settings else ""

    @classmethod
    def of_word(cls, word: str) -> "WayBack":
        """The one of a word that `word` wrote."""
        kind, _, secret = word.partition(".")
        return cls.of(secret, "") if kind == "invitation" else cls.of("", word)

    @property
    def word(self) -> str:
        """The same as a part of a cookie; empty for home."""
        if self.invitation:
            return f"invitation.{self.invitation}"
        return self._to


HOME = WayBack()
IsInvited = Callable[[str, str | None], Awaitable[bool]]
"""Whether an address has an invitation that opens: the one with a secret, or any when it is None."""


async def mailable(back: WayBack, email: str, log: EventLog, is_invited: IsInvited) -> WayBack:
    """A way back as it may stand in a mail to an address: without an invitation or an account that is not one of that
    address. Raises psycopg.Error."""
    if back.invitation:
        return back if await is_invited(email, back.invitation) else HOME
    return back if not back.account or await _is_theirs(log, email, back.account) else HOME


async def _is_theirs(log: EventLog, email: str, account_id: str) -> bool:
    async with log.connection() as connection:
        found = await connection.execute(SQL["is_theirs"], {"email": email, "account_id": account_id})
        row = await found.fetchone()
    return row is not None and bool(row[0])
