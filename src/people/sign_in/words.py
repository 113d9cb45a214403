"""What signing in is about: users, their sessions, and where a request comes from."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Any, Literal, NamedTuple

from people.errors import AccessRefused

MAX_EMAIL = 254
"""Characters of an address."""
EMAIL = (
    r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$"
)
"""An address as browsers take it in a form (the HTML standard), with a dot in its domain."""
MAX_NAME = 100
"""Characters of a name."""

Kind = Literal["page", "token"]
"""Whether a session is a cookie of the pages, or a token of /api. Neither opens the other."""

Place = tuple[datetime, str]
"""After which entry of a list its next page begins: when that was made, and its id."""


@dataclass(frozen=True, slots=True)
class User:
    """A person with a verified address. The account that they pay from has their id."""

    user_id: str
    email: str
    name: str
    created_at: datetime
    password_set_at: datetime | None = None
    account_opened_at: datetime | None = None


class Origin(NamedTuple):
    """Where a request comes from: its network, and the program that sent it, as that says."""

    network: str
    client: str | None


class SignedIn(NamedTuple):
    """A new session. `token` is its secret, and stored nowhere."""

    user: User
    token: str
    expires_at: datetime


class Pending(NamedTuple):
    """A registration whose address is not verified yet."""

    user_id: str
    email: str
    name: str
    token: str


class OwnSession(NamedTuple):
    """A session of a user, as they see it in the list of theirs."""

    session_id: int
    kind: str
    client: str | None
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    current: bool


class MadeKey(NamedTuple):
    """An API key that somebody made and that works, as they see it where they get a new password."""

    prefix: str
    name: str
    team_name: str | None
    last_used_at: datetime | None


def canonical(email: str) -> str:
    """The form in which an address is stored and compared: in lower case.

    A text that is not ASCII stays as it is, and is no address: the Kelvin sign in lower case is a `k`.
    """
    return email.strip().lower() if email.isascii() else email


def is_address(email: str) -> bool:
    """Whether a text has the form of an address."""
    return len(email) <= MAX_EMAIL and re.fullmatch(EMAIL, email) is not None


def network_of(address: str | None) -> str:
    """The network of a client: 256 addresses of IPv4, or what IPv6 gives to one site."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return "unknown"
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    return str(ip_network((mapped, 24 if mapped.version == 4 else 56), strict=False))


def new_user_id() -> str:
    """An id with 80 random bits."""
    return f"usr_{secrets.token_hex(10)}"


def new_token(prefix: str = "") -> tuple[str, bytes]:
    """A new secret, and the SHA-256 of it that is stored."""
    token = prefix + secrets.token_urlsafe(32)
    return token, digest(token)


def digest(token: str) -> bytes:
    """The SHA-256 of a secret."""
    return sha256(token.encode()).digest()


def check_signs_in(noted: Sequence[Mapping[str, Any]]) -> None:
    """Check that the user whose sign-in was noted may sign in. Raises AccessRefused: unauthenticated for one who was
    erased meanwhile, whose sign-in is noted nowhere, and user_disabled for one whom the product has disabled."""
    if not noted:
        raise AccessRefused("unauthenticated", "The user does not exist any more.")
    if noted[0]["disabled_at"] is not None:
        raise AccessRefused("user_disabled", "Your account is disabled. Ask whoever runs the product.")


def token_spent() -> AccessRefused:
    """The refusal of a mailed secret, whatever is wrong with it."""
    return AccessRefused("token_spent", "The link was used, has expired, or was replaced by a later change.")
