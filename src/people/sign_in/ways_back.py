"""Where somebody goes on who signs in: with the invitation from whose page they came, in their settings, or at home.

A way back is a word of ours and the secret of an invitation, never an address: nobody can be sent elsewhere by it.
"""

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

_SECRET = re.compile(r"[A-Za-z0-9_-]{1,200}")
SETTINGS = "settings"


class WayBack(NamedTuple):
    """Where somebody goes on who signs in. Neither is set: at home."""

    invitation: str = ""
    """The secret of an invitation into a team."""
    settings: bool = False

    @classmethod
    def of(cls, invitation: str, to: str) -> "WayBack":
        """The one that an address names by its parameters `invitation` and `to`; home for anything else."""
        if _SECRET.fullmatch(invitation):
            return cls(invitation)
        return cls(settings=to == SETTINGS)

    @property
    def query(self) -> str:
        """What keeps it in the address of a page; empty for home."""
        if self.invitation:
            return f"?invitation={self.invitation}"
        return f"?to={SETTINGS}" if self.settings else ""

    @classmethod
    def of_word(cls, word: str) -> "WayBack":
        """The one of a word that `word` wrote."""
        kind, _, secret = word.partition(".")
        return cls.of(secret if kind == "invitation" else "", kind)

    @property
    def word(self) -> str:
        """The same as a part of a cookie; empty for home."""
        if self.invitation:
            return f"invitation.{self.invitation}"
        return SETTINGS if self.settings else ""


HOME = WayBack()
IsInvited = Callable[[str, str | None], Awaitable[bool]]
"""Whether an address has an invitation that opens: the one with a secret, or any when it is None."""


async def mailable(back: WayBack, email: str, is_invited: IsInvited) -> WayBack:
    """A way back as it may stand in a mail to an address: without an invitation that is not one of that address."""
    return back if not back.invitation or await is_invited(email, back.invitation) else HOME
