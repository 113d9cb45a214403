"""What signing in at a provider is about: how it knows this service, whom it names, and why nobody comes in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from ledger.store import EventLog
from people.api_keys import ApiKey
from people.sign_in.letters import Tell
from people.sign_in.ways_back import HOME, IsInvited, WayBack
from people.sign_in.words import Origin

LASTS = timedelta(hours=12)
"""A session from a provider is not renewed: whoever is no longer a user there is out by then."""


class ProviderAway(Exception):
    """The provider cannot be asked, or does not answer as the standard says. The text is for the log."""


class NotVouchedFor(Exception):
    """What came from the provider names nobody whom we may let in. The text is for the log."""


@dataclass(frozen=True, slots=True)
class ClaimIs:
    """That a claim is a text, or a list that has it: `groups:ledger-operators`."""

    claim: str
    value: str

    @classmethod
    def of(cls, text: str) -> "ClaimIs":
        """Read it from a setting: the value is what stands after the last colon. Raises ValueError."""
        claim, _, value = text.rpartition(":")
        if not claim or not value:
            raise ValueError(text)
        return cls(claim, value)

    def holds(self, claims: Mapping[str, Any]) -> bool:
        """Whether it is so."""
        found = claims.get(self.claim)
        return found == self.value or (isinstance(found, list) and self.value in found)


@dataclass(frozen=True, slots=True)
class Client:
    """This service, as the provider knows it, and what its claims mean here."""

    issuer: str
    client_id: str
    client_secret: str | None
    scope: str = "openid email profile"
    account_claim: str = "sub"
    link_by_email: bool = False
    reads: ClaimIs | None = None
    """Who is an operator that reads."""
    acts: ClaimIs | None = None
    """Who is an operator with every scope."""

    @property
    def title(self) -> str:
        """The name of the provider for people: its host."""
        return urlsplit(self.issuer).netloc

    def scopes_of(self, claims: Mapping[str, Any]) -> list[str]:
        """The scopes of an operator; none for everybody else."""
        if self.acts is not None and self.acts.holds(claims):
            return ["admin"]
        return ["ledger:read"] if self.reads is not None and self.reads.holds(claims) else []


@dataclass(frozen=True, slots=True)
class Around:
    """What this needs of the rest of the service."""

    log: EventLog
    clock: Callable[[], datetime]
    tell: Tell
    open_account: Callable[[str], Awaitable[None]]
    """Opens an account with the credits of a new one, unless it is open."""
    page: Callable[[str], str]
    """The address of a page, from its path below the dashboard. Raises AccessRefused: public_url_required."""
    is_invited: IsInvited


class Named(NamedTuple):
    """Whom a provider names."""

    issuer: str
    subject: str
    account_id: str
    email: str | None
    """The address that the provider has verified, in lower case."""
    name: str
    scopes: list[str]
    """Those of an operator."""


class Wish(NamedTuple):
    """What somebody wants of a sign-in that begins."""

    back: WayBack = HOME
    """Where they go on afterwards."""
    again: bool = False
    """Whether the provider asks who they are although it knows."""


NO_WISH = Wish()


class Begun(NamedTuple):
    """A sign-in that begins: the address at the provider, and the secret of the browser that begins it."""

    url: str
    cookie: str


class CameIn(NamedTuple):
    """A new session of the pages. An operator has no account."""

    cookie: str
    account_id: str | None
    expires_at: datetime
    back: WayBack = HOME
    """Where they wanted to go on when they began."""


class LinkMailed(NamedTuple):
    """Nobody came in: the address has a user here, who gets a link that joins the two."""

    email: str


class SignsInAtProvider(Protocol):
    """What pages ask: signing_in.py has it. Its libraries are imported when a provider is set, and not before."""

    @property
    def title(self) -> str:
        """The name of the provider for people."""

    async def begin(self, redirect_uri: str, wish: Wish = NO_WISH) -> Begun:
        """Begin a sign-in. Raises ProviderAway."""

    async def finish(
        self, answer: Mapping[str, str], cookie: str | None, redirect_uri: str, origin: Origin, mark: str
    ) -> CameIn | LinkMailed:
        """What comes of the answer of the provider. Raises NotVouchedFor, ProviderAway, and AccessRefused."""

    async def is_joinable(self, token: str) -> bool:
        """Whether a mailed link would join somebody now."""

    async def join(self, token: str) -> None:
        """Join whom a mailed link is about. Raises AccessRefused: token_spent."""

    async def way_out(self, back: str, id_token: str | None) -> str | None:
        """Where a browser signs out at the provider too, if there is such a page, with the ID token of its session."""


class ProviderOperator(ApiKey):
    """An operator whom the provider names, with the scopes that an API key would have. `prefix` is their subject."""

    @property
    def actor(self) -> str:
        """Their name in the metadata of events."""
        return f"oidc:{self.prefix}"
