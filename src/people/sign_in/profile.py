"""The words of profiles: what a person may say about themselves, and which mails they may switch off."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, get_args

MAX_AVATAR = 500
"""Characters of the address of a picture."""
AVATAR = r"^(https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?/[!-~]*)?$"
"""An address with https, or nothing. Our own pages never load it: it is for the front ends of products."""
MAX_ZONE = 64
"""Characters of the name of a time zone."""
LANGUAGES = (
    *("cs", "da", "de", "de-AT", "de-CH", "en", "en-GB", "en-IN", "es", "es-MX", "fi", "fr", "fr-CA", "fr-CH", "hi"),
    *("hu", "it", "ja", "ko", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sv", "tr", "uk", "zh"),
)
"""Those whose way to write numbers can be chosen. Without a choice it is that of the browser."""
MailKind = Literal["keys", "teams"]
"""Kinds of mails that may be switched off. Those about the safety of an account, and those asked for, may not."""
MAIL_KINDS: tuple[MailKind, ...] = get_args(MailKind)


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a person, but for their password and sessions."""

    user_id: str
    email: str
    name: str
    avatar_url: str | None
    zone: str | None
    language: str | None
    mails_off: tuple[str, ...]
    has_password: bool
    created_at: datetime
    last_sign_in_at: datetime | None
    deletion_at: datetime | None
    """When they are erased, unless they take it back before; None when they did not ask for it."""


class ProfileChanges(NamedTuple):
    """What a person changes about themselves. None stays; an empty text removes."""

    name: str | None = None
    avatar_url: str | None = None
    zone: str | None = None
    language: str | None = None
    mails_off: list[str] | None = None

    @property
    def named(self) -> list[str]:
        """The names of what changes."""
        return [name for name, value in self._asdict().items() if value is not None]


class FirstSteps(NamedTuple):
    """What a person did already: each is a fact of its own. `hidden` says that they want no list of it."""

    hidden: bool
    verified: bool
    has_key: bool
    has_teammate: bool


class Export(NamedTuple):
    """A copy that somebody asked for, and how long it can be fetched."""

    export_id: str
    asked_at: datetime
    expires_at: datetime
