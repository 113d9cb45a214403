"""The provider: what it says about itself, the keys with which it signs, and what it gives for a code."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import quote_plus, urlencode

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from people.oidc.http import Ask, ask
from people.oidc.words import Client, NotVouchedFor, ProviderAway

FRESH = 3_600.0
"""Seconds after which the provider is asked again what it is like, and for its keys."""
AWAY = 5.0
"""Seconds for which a provider that nobody has reached yet counts as away, so that few wait for it at a time."""
_DISCOVERY = "/.well-known/openid-configuration"
_OK = 200
_REFUSED = (400, 401, 403)
_log = logging.getLogger("credit_ledger.provider")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a provider says about itself (OpenID Connect Discovery 1.0)."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None
    end_session: str | None
    names_issuer: bool
    """Whether each of its answers to a browser names it (RFC 9207)."""
    takes_basic: bool
    """Whether the secret goes into a header; else into the form."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a code was exchanged for."""

    id_token: str
    access_token: str | None


class Provider:
    """The provider of one client, with what is remembered of it. Every method raises ProviderAway."""

    def __init__(self, client: Client, now: Callable[[], float] = monotonic, asking: Ask = ask) -> None:
        self.client = client
        self._now = now
        self._ask = asking
        self._lock = asyncio.Lock()
        self._metadata: Metadata | None = None
        self._keys: KeySet | None = None
        self._away: ProviderAway | None = None
        self._asked_at = 0.0

    async def metadata(self) -> Metadata:
        """What it is like: asked for once an hour. While it is away, what it said last counts."""
        async with self._lock:
            kept = AWAY if self._metadata is None else FRESH
            if (self._metadata is None and self._away is None) or self._now() - self._asked_at > kept:
                await self._look_again()
            if self._metadata is None:
                assert self._away is not None
                raise ProviderAway(str(self._away))
            return self._metadata

    async def _look_again(self) -> None:
        try:
            metadata = await _discovered(self._ask, self.client.issuer)
            self._keys = await _keys_at(self._ask, metadata.keys)
            self._metadata, self._away = metadata, None
        except ProviderAway as error:
            _log.warning("the provider is asked again later: %s", error)
            self._away = error
        self._asked_at = self._now()

    async def keys(self) -> KeySet:
        """The keys with which it signs, as they were an hour ago at most."""
        await self.metadata()
        assert self._keys is not None
        return self._keys

    async def changed_keys(self) -> KeySet:
        """Its keys now: it may have changed them."""
        metadata = await self.metadata()
        async with self._lock:
            self._keys = await _keys_at(self._ask, metadata.keys)
            return self._keys

    def sign_in_url(self, metadata: Metadata, **more: str) -> str:
        """Where a browser goes to sign in."""
        client = self.client
        given = {"response_type": "code", "client_id": client.client_id, "scope": client.scope, **more}
        return with_query(metadata.authorization, given)

    async def exchange(self, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """What it gives for a code. Raises NotVouchedFor for a code that it does not take."""
        client, metadata = self.client, await self.metadata()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        form |= {"code_verifier": verifier, "client_id": client.client_id}
        basic = None
        if client.client_secret is not None and metadata.takes_basic:
            basic = quote_plus(client.client_id), quote_plus(client.client_secret)  # RFC 6749, 2.3.1
        elif client.client_secret is not None:
            form["client_secret"] = client.client_secret
        status, told = await self._ask(metadata.token, form, basic=basic)
        if status in _REFUSED:
            _check_that_it_knows_us(told)
            raise NotVouchedFor(f"the code was answered {status} {_text(told, 'error')}")
        id_token = told.get("id_token")
        if status != _OK or not isinstance(id_token, str):
            raise ProviderAway(f"{metadata.token} answered {status} without an ID token")
        return Tokens(id_token, _text(told, "access_token"))

    async def about(self, access_token: str) -> dict[str, Any]:
        """The claims that it has at its userinfo endpoint, if it has one."""
        metadata = await self.metadata()
        if metadata.userinfo is None:
            return {}
        status, told = await self._ask(metadata.userinfo, headers={"Authorization": f"Bearer {access_token}"})
        if status != _OK:
            raise ProviderAway(f"{metadata.userinfo} answered {status}")
        return told


def with_query(url: str, given: Mapping[str, str]) -> str:
    """An address with a query, which it may have begun itself."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(given)}"


async def _discovered(ask: Ask, issuer: str) -> Metadata:
    """Raises ProviderAway. A document that names another issuer is of another provider."""
    url = issuer.rstrip("/") + _DISCOVERY
    status, told = await ask(url)
    if status != _OK or told.get("issuer") != issuer:
        raise ProviderAway(f"{url} answered {status}, and names the issuer {_text(told, 'issuer')!r}")
    ways = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return Metadata(
        _endpoint(told, "authorization_endpoint", issuer),
        _endpoint(told, "token_endpoint", issuer),
        _endpoint(told, "jwks_uri", issuer),
        _endpoint(told, "userinfo_endpoint", issuer) if told.get("userinfo_endpoint") else None,
        _endpoint(told, "end_session_endpoint", issuer) if told.get("end_session_endpoint") else None,
        told.get("authorization_response_iss_parameter_supported") is True,
        "client_secret_basic" in ways,
    )


def _endpoint(told: Mapping[str, Any], name: str, issuer: str) -> str:
    """An address of a provider: https, unless the provider itself is not. Raises ProviderAway."""
    found = _text(told, name) or ""
    if not found.startswith("https://") and not (issuer.startswith("http://") and found.startswith("http://")):
        raise ProviderAway(f"the provider has no {name} that can be used: {found[:200]!r}")
    return found


async def _keys_at(ask: Ask, url: str) -> KeySet:
    status, told = await ask(url)
    try:
        return KeySet.import_key_set({"keys": told["keys"]})
    except (JoseError, KeyError, TypeError, ValueError) as error:
        raise ProviderAway(f"{url} answered {status} with no keys that can be used: {error}") from error


def _check_that_it_knows_us(told: Mapping[str, Any]) -> None:
    """Raise ProviderAway if it refuses this service, which operators repair."""
    if told.get("error") in {"invalid_client", "unauthorized_client"}:
        raise ProviderAway(f"the provider refuses this client: {told['error']}. Check its id and its secret")


def _text(told: Mapping[str, Any], name: str) -> str | None:
    found = told.get(name)
    return found if isinstance(found, str) and found else None
