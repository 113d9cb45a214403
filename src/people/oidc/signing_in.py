"""Signing in at the provider: the way there, what is believed of the way back, and the session that comes of it.

The code flow with PKCE, a state and a nonce. The state is a row that is bound to a cookie; the nonce and the verifier
are made from that cookie, so that neither a dump of the database nor a page of somebody else can end a sign-in.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ledger.postgres.named_sql import queries
from people.audit_log import AuditEntry, by_user, note
from people.ended_sessions import forget_ended
from people.oidc import http
from people.oidc.id_tokens import UnknownKey, check, named, verified
from people.oidc.provider import Provider, Tokens, with_query
from people.oidc.words import (
    LASTS,
    NO_WISH,
    Around,
    Begun,
    CameIn,
    Client,
    LinkMailed,
    Named,
    NotVouchedFor,
    ProviderAway,
    Wish,
)
from people.sign_in import letters
from people.sign_in.throttle import note_letter
from people.sign_in.ways_back import WayBack, mailable
from people.sign_in.words import Origin, check_signs_in, digest, new_token, new_user_id, token_spent

SQL = queries("people", "sql/identities.sql")
PATIENCE = timedelta(minutes=10)
"""How long somebody may take at the provider."""
LONGEST_HINT = 6_000
"""Characters of an ID token that is kept."""
Connection = AsyncConnection[Any]


class _Browser(NamedTuple):
    """What is known of the browser in which somebody comes in, and where it goes on."""

    origin: Origin
    mark: str
    back: WayBack
    id_token: str | None


class ProviderSignIn:
    """Signs people in at a provider. Every method raises psycopg.Error."""

    ask = staticmethod(http.ask)
    """How the provider is asked."""

    def __init__(self, around: Around, client: Client) -> None:
        self._around = around
        self.provider = Provider(client, asking=self.ask)

    @property
    def title(self) -> str:
        """The name of the provider for people."""
        return self.provider.client.title

    async def begin(self, redirect_uri: str, wish: Wish = NO_WISH) -> Begun:
        """Begin a sign-in. The way back is a part of the cookie, and so bound to the state. Raises ProviderAway."""
        metadata, now = await self.provider.metadata(), self._around.clock()
        state, cookie = secrets.token_urlsafe(32), f"{secrets.token_urlsafe(32)}.{wish.back.word}"
        given = {"state": digest(state), "cookie": digest(cookie), "now": now, "expires_at": now + PATIENCE}
        async with self._around.log.connection() as connection:
            await connection.execute(SQL["begin"], given)
            await connection.execute(SQL["forget"], given)
        challenge = _base64(sha256(_made("verifier", cookie).encode()).digest())
        proof = {"code_challenge": challenge, "code_challenge_method": "S256"}
        asked = {"redirect_uri": redirect_uri, "state": state, "nonce": _made("nonce", cookie), **proof}
        asked |= {"prompt": "login"} if wish.again else {}
        return Begun(self.provider.sign_in_url(metadata, **asked), cookie)

    async def finish(
        self, answer: Mapping[str, str], cookie: str | None, redirect_uri: str, origin: Origin, mark: str
    ) -> CameIn | LinkMailed:
        """What comes of the answer with which the provider sends a browser back.

        Raises NotVouchedFor, ProviderAway, and AccessRefused: rate_limited, public_url_required, user_disabled.
        """
        if cookie is None or not await self._take(answer.get("state", ""), cookie):
            raise NotVouchedFor("this browser began no such sign-in, or it is over")
        await self._check_answer(answer)
        tokens = await self.provider.exchange(answer["code"], _made("verifier", cookie), redirect_uri)
        who = await self._named(tokens, _made("nonce", cookie))
        browser = _Browser(origin, mark, WayBack.of_word(cookie.partition(".")[2]), _kept(tokens.id_token))
        return await self._come_in(who, browser)

    async def _take(self, state: str, cookie: str) -> bool:
        given = {"state": digest(state), "cookie": digest(cookie), "now": self._around.clock()}
        async with self._around.log.connection() as connection:
            return bool(await _rows(connection, "take", **given))

    async def _check_answer(self, answer: Mapping[str, str]) -> None:
        """The state was ours. Raises NotVouchedFor for an answer of another provider, or a refusal."""
        metadata = await self.provider.metadata()
        default = None if metadata.names_issuer else self.provider.client.issuer
        if answer.get("iss", default) != self.provider.client.issuer:
            raise NotVouchedFor("the answer is of another issuer")
        if "error" in answer or not answer.get("code"):
            raise NotVouchedFor(f"the provider signed nobody in: {answer.get('error', 'no code')[:100]}")

    async def _named(self, tokens: Tokens, nonce: str) -> Named:
        client, now = self.provider.client, self._around.clock()
        try:
            claims = verified(tokens.id_token, await self.provider.keys())
        except UnknownKey:
            claims = verified(tokens.id_token, await self.provider.changed_keys())
        check(claims, client, nonce, now)
        if tokens.access_token is not None:
            more = await self.provider.about(tokens.access_token)
            if more and more.get("sub") != claims["sub"]:
                raise NotVouchedFor("the claims at the userinfo endpoint are about somebody else")
            claims = {**more, **claims}
        return named(claims, client)

    async def _come_in(self, who: Named, browser: _Browser) -> CameIn | LinkMailed:
        if who.scopes:
            async with self._around.log.connection() as connection, connection.transaction():
                return await self._begin_session(connection, who, None, browser)
        async with self._around.log.connection() as connection, connection.transaction():
            user_id = await self._user_of(connection, who)
        if user_id is None and who.email is not None and self.provider.client.link_by_email:
            return await self._mail_link(who, who.email, browser)
        await self._around.open_account(who.account_id)
        async with self._around.log.connection() as connection, connection.transaction():
            return await self._begin_session(connection, who, user_id, browser)

    async def _user_of(self, connection: Connection, who: Named) -> str | None:
        """The user whom the provider knows by this name. The first time, a verified address that nobody has makes one;
        an address that has a user says nothing about who that is."""
        now, user_id = self._around.clock(), new_user_id()
        identity = {"issuer": who.issuer, "subject": who.subject}
        known = await _rows(connection, "user_of", **identity) or await self._named_by_product(connection, identity)
        if known or who.email is None:
            return known[0]["user_id"] if known else None
        if not await _rows(connection, "make_user", user_id=user_id, email=who.email, name=who.name, now=now):
            known = await _rows(connection, "user_of", **identity)  # another request of theirs, at the same time
            return known[0]["user_id"] if known else None
        await connection.execute(SQL["identify"], {**identity, "user_id": user_id, "now": now})
        await connection.execute(SQL["drop_registrations"], {"email": who.email})
        await note(connection, now, by_user("user.registered", user_id, {"issuer": who.issuer}))
        return user_id

    async def _named_by_product(self, connection: Connection, identity: dict[str, str]) -> list[dict[str, Any]]:
        """The user whom the service of the product made, under the name that the provider says: the two are one."""
        named = await _rows(connection, "named_by_product", **identity)
        for row in named:
            now, user_id = self._around.clock(), row["user_id"]
            await connection.execute(SQL["identify"], {**identity, "user_id": user_id, "now": now})
            await note(connection, now, by_user("user.sign_in_joined", user_id, {"issuer": identity["issuer"]}))
        return named

    async def _begin_session(
        self, connection: Connection, who: Named, user_id: str | None, browser: _Browser
    ) -> CameIn:
        now, origin, (cookie, sha256) = self._around.clock(), browser.origin, new_token(browser.mark)
        account_id = None if who.scopes else who.account_id
        whose = {"account_id": account_id, "user_id": user_id, "scopes": who.scopes or None}
        proof = {"issuer": who.issuer, "subject": who.subject, "client": (origin.client or "")[:200] or None}
        times = {"now": now, "expires_at": now + LASTS}
        values = {"cookie": sha256, "id_token": browser.id_token, **times, **whose, **proof}
        if user_id is not None:
            check_signs_in(await _rows(connection, "note_sign_in", user_id=user_id, now=now))
        await connection.execute(SQL["begin_session"], values)
        await forget_ended(connection, now)
        details = {"kind": "page", "network": origin.network, "issuer": who.issuer}
        if user_id is not None:
            await note(connection, now, by_user("user.signed_in", user_id, details))
        if who.scopes:
            name = f"oidc:{who.subject}"
            await note(connection, now, AuditEntry("operator.signed_in", name, name, None, details))
        return CameIn(cookie, account_id, now + LASTS, browser.back)

    async def _mail_link(self, who: Named, email: str, browser: _Browser) -> LinkMailed:
        """Mail a link to the user who has the same address: only its reader knows whether both are one person."""
        around, now = self._around, self._around.clock()
        token, sha256 = new_token()
        back = await mailable(browser.back, email, around.log, around.is_invited)
        page = around.page(f"join/{token}{back.query}")
        given = {"sha256": sha256, "issuer": who.issuer, "subject": who.subject, "email": email}
        async with around.log.connection() as connection:
            wanted = await note_letter(connection, email, browser.origin.network, now)
            async with connection.transaction():
                found = await _rows(connection, "make_link", **given, expires_at=now + letters.JOIN)
                cause = f"join:{sha256.hex()}"
                letter = letters.join(email, cause, page, self.title, wanted=wanted and bool(found))
                await around.tell(connection, letter)
        return LinkMailed(email)

    async def is_joinable(self, token: str) -> bool:
        """Whether a mailed link would join somebody now."""
        async with self._around.log.connection() as connection:
            [row] = await _rows(connection, "is_joinable", sha256=digest(token), now=self._around.clock())
            return bool(row["joinable"])

    async def join(self, token: str) -> None:
        """From now on the user of a mailed link is whom the provider meant. Raises AccessRefused: token_spent."""
        now = self._around.clock()
        async with self._around.log.connection() as connection, connection.transaction():
            found = await _rows(connection, "join", sha256=digest(token), now=now)
            if not found or not await _rows(connection, "identify", **found[0], now=now):
                raise token_spent()
            details = {"issuer": found[0]["issuer"]}
            await note(connection, now, by_user("user.sign_in_joined", found[0]["user_id"], details))

    async def way_out(self, back: str, id_token: str | None) -> str | None:
        """Where a browser signs out at the provider too, with the ID token of its session (OpenID Connect RP-Initiated
        Logout 1.0); None if it has no such page, or is away."""
        try:
            metadata = await self.provider.metadata()
        except ProviderAway:
            return None
        if metadata.end_session is None:
            return None
        given = {"client_id": self.provider.client.client_id, "post_logout_redirect_uri": back}
        return with_query(metadata.end_session, given | ({} if id_token is None else {"id_token_hint": id_token}))


def _kept(id_token: str) -> str | None:
    """An ID token that is kept for signing out at the provider, to which it goes in an address: none that is long."""
    return id_token if len(id_token) <= LONGEST_HINT else None


def _made(what: str, cookie: str) -> str:
    """What only the browser with a cookie can make us say again."""
    return _base64(hmac.digest(cookie.encode(), what.encode(), "sha256"))


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


async def _rows(connection: Connection, name: str, /, **parameters: Any) -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SQL[name], parameters)
        return await cursor.fetchall()
