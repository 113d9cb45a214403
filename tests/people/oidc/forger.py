"""A provider that signs what a test tells it to, true or forged, and a ledger whose people sign in there."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from psycopg import AsyncConnection

from ledger.commit.submission import Submission
from ledger.domain.commands import OpenAccount
from ledger.service import Ledger
from ledger.store import Metadata, fingerprint
from people.oidc.id_tokens import ALGORITHMS
from people.oidc.signing_in import ProviderSignIn
from people.oidc.words import NO_WISH, Around, Begun, CameIn, Client, LinkMailed, Wish
from people.sign_in.letters import Letter
from people.teams.invitations import is_invited
from tests.billing.calls.provider_server import ProviderServer, provider_server
from tests.people.letters import HERE

REDIRECT = "https://ledger.example/dashboard/oidc/callback"
CLIENT, SECRET = "the-ledger", "a secret of the client"
ONE_KEY, OTHER_KEY = (RSAKey.generate_key(2048, {"kid": "first", "use": "sig"}) for _ in range(2))
Claims = dict[str, Any]


@dataclass
class Forger:
    """A provider. `claims` are what it says beside what is true; one that is None is left out."""

    server: ProviderServer
    key: RSAKey = field(default_factory=lambda: ONE_KEY)
    claims: Claims = field(default_factory=dict)
    about: Claims = field(default_factory=dict)
    """What it says at its userinfo endpoint, beside the subject."""
    nonce: str = ""
    header: Claims = field(default_factory=lambda: {"alg": "RS256", "kid": "first"})
    sign: Callable[["Forger", Claims], str] | None = None

    @property
    def issuer(self) -> str:
        """Its name."""
        return self.server.url

    def open(self) -> None:
        """Say what it is like, and answer."""
        paths = {"authorization_endpoint": "/sign-in?realm=product", "token_endpoint": "/token", "jwks_uri": "/keys"}
        paths |= {"userinfo_endpoint": "/about", "end_session_endpoint": "/sign-out"}
        told: Claims = {name: self.issuer + path for name, path in paths.items()} | {"issuer": self.issuer}
        told["authorization_response_iss_parameter_supported"] = True
        answers = self.server.answers
        answers["GET", "/.well-known/openid-configuration"] = told
        answers["GET", "/keys"] = lambda _: KeySet([self.key]).as_dict(private=False)
        answers["POST", "/token"] = lambda _: {"id_token": self.id_token(), "access_token": "an access token"}
        answers["GET", "/about"] = lambda _: {"sub": self.all_claims()["sub"], **self.about}

    def all_claims(self) -> Claims:
        """Those of the next ID token."""
        now = int(datetime.now(UTC).timestamp())
        true = {"iss": self.issuer, "aud": CLIENT, "sub": "ada", "exp": now + 300, "iat": now, "nonce": self.nonce}
        return {name: value for name, value in (true | self.claims).items() if value is not None}

    def id_token(self) -> str:
        """The next ID token."""
        claims = self.all_claims()
        return jwt.encode(self.header, claims, self.key, ALGORITHMS) if self.sign is None else self.sign(self, claims)

    def token_request(self) -> dict[str, str]:
        """What the last exchange of a code sent."""
        [*_, last] = [one for one in self.server.requests if one.path == "/token"]
        return dict(parse_qsl(last.content.decode())) | {"authorization": last.headers.get("authorization", "")}


@contextmanager
def forging() -> Iterator[Forger]:
    """A provider on this machine, until the block ends."""
    with provider_server() as server:
        forger = Forger(server)
        forger.open()
        yield forger


def compact(header: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes = b"") -> str:
    """A token of any form."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@dataclass
class Product:
    """A ledger, the provider of the product, and what people are told by mail."""

    ledger: Ledger
    forger: Forger
    clock: Callable[[], datetime]
    options: dict[str, Any] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    def sign_ins(self) -> ProviderSignIn:
        """A process of the service."""
        return ProviderSignIn(self.around, Client(self.forger.issuer, CLIENT, SECRET, **self.options))

    @property
    def around(self) -> Around:
        """What signing in needs of it."""
        invited = partial(is_invited, self.ledger.log, self.clock)
        return Around(self.ledger.log, self.clock, self._tell, self._open, _page, invited)

    async def _tell(self, connection: AsyncConnection[Any], letter: Letter) -> None:
        self.letters.append(letter)

    async def _open(self, account_id: str) -> None:
        self.opened.append(account_id)
        metadata = Metadata("people", "open", account_id, account_id)
        await self.ledger.execute(Submission(OpenAccount(account_id, 100), metadata, fingerprint([account_id])))

    async def begin(self, sign_ins: ProviderSignIn, wish: Wish = NO_WISH) -> tuple[Begun, dict[str, str]]:
        """Begin a sign-in; returns the answer that the provider would send back, too."""
        begun = await sign_ins.begin(REDIRECT, wish)
        asked = dict(parse_qsl(urlsplit(begun.url).query))
        self.forger.nonce = asked["nonce"]
        return begun, {"code": "a code", "state": asked["state"], "iss": self.forger.issuer}

    async def sign_in(self, **claims: Any) -> CameIn | LinkMailed:
        """Sign in, with claims beside the usual ones."""
        self.forger.claims = claims
        sign_ins = self.sign_ins()
        begun, answer = await self.begin(sign_ins)
        return await sign_ins.finish(answer, begun.cookie, REDIRECT, HERE, "")


def _page(path: str) -> str:
    return f"https://ledger.example/{path}"
