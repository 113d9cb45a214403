"""ID tokens: what a provider signed about somebody, and why not to believe it (OpenID Connect Core 1.0, 3.1.3.7)."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from ledger.domain.commands import check_account_id
from ledger.domain.errors import InvalidField
from people.oidc.words import Client, Named, NotVouchedFor
from people.sign_in.words import MAX_NAME, canonical, is_address

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a key of which we have the public half. `none` and those with a shared secret are not among them."""
LEEWAY = 60
"""Seconds by which the clock of the provider may differ from ours."""
_LONGEST_SUBJECT = 255
_OURS = ("usr_", "team_")
"""How the ids of accounts begin that belong to users and teams here. No claim may name one."""


class UnknownKey(NotVouchedFor):
    """No key that we have signed it."""


def verified(token: str, keys: KeySet) -> dict[str, Any]:
    """The claims that one of the keys signed. Raises UnknownKey."""
    try:
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise UnknownKey(f"the signature of the ID token is not good: {type(error).__name__} {error}") from error
    if not isinstance(claims, dict):
        raise UnknownKey("the ID token is no object")
    return claims


def check(claims: Mapping[str, Any], client: Client, nonce: str, now: datetime) -> None:
    """Raise NotVouchedFor unless the provider said this to us, just now, about the one who asked."""
    if claims.get("iss") != client.issuer:
        raise NotVouchedFor("the ID token is of another issuer")
    _check_audience(claims, client.client_id)
    seconds = now.timestamp()
    if _time(claims, "exp") + LEEWAY <= seconds:
        raise NotVouchedFor("the ID token has expired")
    if _time(claims, "iat") - LEEWAY > seconds:
        raise NotVouchedFor("the ID token is of the future")
    told = claims.get("nonce")
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
        raise NotVouchedFor("the nonce of the ID token is not ours")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not _is_plain(subject):
        raise NotVouchedFor("the ID token names nobody")


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    told = claims.get("aud")
    audience = [told] if isinstance(told, str) else told
    if not isinstance(audience, list) or client_id not in audience:
        raise NotVouchedFor("the ID token is for another client")
    if claims.get("azp", client_id if len(audience) == 1 else None) != client_id:
        raise NotVouchedFor("the ID token was given to another client")


def _time(claims: Mapping[str, Any], name: str) -> float:
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not isfinite(found):
        raise NotVouchedFor(f"the ID token has no {name}")
    return found


def _is_plain(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_SUBJECT and text.isascii() and text.isprintable()


def named(claims: Mapping[str, Any], client: Client) -> Named:
    """Whom claims name. An address counts when `email_verified` is true, and nothing that looks like it.

    Raises NotVouchedFor for an account that cannot be theirs.
    """
    email = claims.get("email")
    is_verified = claims.get("email_verified") is True and isinstance(email, str) and is_address(canonical(email))
    name = claims.get("name")
    return Named(
        client.issuer,
        claims["sub"],
        _account_of(claims, client.account_claim),
        canonical(str(email)) if is_verified else None,
        name if isinstance(name, str) and len(name) <= MAX_NAME and name.isprintable() else "",
        client.scopes_of(claims),
    )


def _account_of(claims: Mapping[str, Any], claim: str) -> str:
    found = claims.get(claim)
    if not isinstance(found, str) or found.startswith(_OURS):
        raise NotVouchedFor(f"the claim {claim} names no account")
    try:
        check_account_id(found)
    except InvalidField as error:
        raise NotVouchedFor(f"the claim {claim} is no id of an account: {error}") from error
    return found
