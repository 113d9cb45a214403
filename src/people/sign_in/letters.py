"""Letters: what people are told by mail, in plain text.

No letter has anything that a stranger chose, such as a name: it goes to an address that may not be theirs.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg import AsyncConnection

VERIFICATION = timedelta(days=1)
RESET = timedelta(minutes=30)
LINK = timedelta(minutes=15)
CHANGE = timedelta(hours=1)
UNDO = timedelta(days=7)
DELETION = timedelta(days=7)
JOIN = timedelta(hours=1)
"""How long the links open."""
_IGNORE = "If you did not ask for this, ignore this mail: nothing happens."


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail. There is one for each `cause`."""

    cause: str
    kind: str
    recipient: str
    subject: str
    body: str
    useful: timedelta
    wanted: bool = True
    """Whether anybody gets it. One that is not wanted is written all the same: that takes as long."""
    end: str | None = None
    """The address that ends mails of its kind; None for mails that always come."""


Tell = Callable[[AsyncConnection[Any], Letter], Awaitable[None]]
"""Writes a letter in the transaction of a connection."""


def verification(to: str, cause: str, url: str, *, wanted: bool) -> Letter:
    """To whoever registered an address that nobody has."""
    told = "Confirm your address to open your account. The link works for a day, with your new password:"
    body = f"{told}\n\n{url}\n\n{_IGNORE}\n"
    return Letter(cause, "verification", to, "Confirm your address", body, VERIFICATION, wanted)


def known(to: str, cause: str, url: str, *, wanted: bool) -> Letter:
    """To a user whose address somebody registered again."""
    told = "Somebody, perhaps you, tried to register with your address. You have an account already. Sign in here:"
    body = f"{told}\n\n{url}\n\n{_IGNORE}\n"
    return Letter(cause, "known", to, "You have an account already", body, VERIFICATION, wanted)


def reset(to: str, cause: str, url: str, *, wanted: bool) -> Letter:
    """To a user who forgot their password."""
    body = f"Choose a new password here. The link works for 30 minutes, and once:\n\n{url}\n\n{_IGNORE}\n"
    return Letter(cause, "reset", to, "Choose a new password", body, RESET, wanted)


def link(to: str, cause: str, url: str, *, wanted: bool) -> Letter:
    """To a user who signs in without a password."""
    body = f"Sign in here. The link works for 15 minutes, and once:\n\n{url}\n\n{_IGNORE}\n"
    return Letter(cause, "link", to, "Sign in", body, LINK, wanted)


def new_address(to: str, cause: str, url: str, *, taken: bool, wanted: bool) -> Letter:
    """To the address that a user wants to have."""
    if taken:
        told = "Somebody, perhaps you, wants to use this address for another account. It has an account already."
        body = f"{told}\n\n{_IGNORE}\n"
    else:
        body = f"Confirm that this is your new address. The link works for an hour:\n\n{url}\n\n{_IGNORE}\n"
    return Letter(cause, "email", to, "Confirm your new address", body, CHANGE, wanted)


def join(to: str, cause: str, url: str, provider: str, *, wanted: bool) -> Letter:
    """To a user whose address somebody has who signed in at the provider of the product."""
    body = (
        f"Somebody, perhaps you, signed in at {provider} with your address.\n\n"
        f"If it was you, join the two sign-ins. The link works for an hour, and once:\n\n{url}\n\n"
        "If it was not you, ignore this mail: the link would let them in.\n"
    )
    return Letter(cause, "join", to, "Join your two sign-ins", body, JOIN, wanted)


def address_changes(to: str, cause: str, url: str) -> Letter:
    """To the address that a user has, as soon as they want another one."""
    body = (
        "Somebody, perhaps you, asked for another address for your account. If it was you, there is nothing to do.\n\n"
        f"If it was not you, keep your address with this link. It works for 7 days:\n\n{url}\n\n"
        "All sessions end then, and all API keys that were made since. Choose a new password afterwards.\n"
    )
    return Letter(cause, "email_changes", to, "Your address is being changed", body, UNDO)


def password_changed(to: str, cause: str, url: str) -> Letter:
    """To a user whose password was changed."""
    body = (
        "Your password was changed, and other sessions were ended. If it was not you, choose another one, and revoke "
        f"your API keys there:\n\n{url}\n"
    )
    return Letter(cause, "password_changed", to, "Your password was changed", body, UNDO)


def key_ends(to: str, cause: str, url: str, end: str, key: str, day: str) -> Letter:
    """To whoever made a key that ends on a day. `key` is the part of it that may be shown."""
    told = f"Your API key {key}... ends on {day}. Programs that use it stop then. Make another one for them here:"
    body = f"{told}\n\n{url}\n{ending(end)}"
    return Letter(cause, "key_ends", to, "An API key is about to end", body, DELETION, end=end)


def ending(end: str) -> str:
    """The last lines of a mail that can be switched off."""
    return f"\nTo get no more mails of this kind, open this link:\n\n{end}\n"


def deletion(to: str, cause: str, url: str, day: str) -> Letter:
    """To a user who asked to be erased on a day."""
    body = (
        f"Your account and everything about you will be erased on {day}. No mail comes after this one.\n\n"
        f"To keep your account, open this link before:\n\n{url}\n\n"
        "If it was not you who asked, keep it, and choose a new password.\n"
    )
    return Letter(cause, "deletion", to, "Your account will be erased", body, DELETION)
