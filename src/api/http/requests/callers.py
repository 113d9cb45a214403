"""The caller of a request: its API key, and whether that has a scope. Both are decided before the request is read."""

from starlette.types import Scope

from api.contract.problems import Problem
from api.contract.scopes import Scopes
from api.http.requests.rate_headers import count
from api.http.requests.request import Headers
from people.api_keys import ApiKey
from people.errors import AccessRefused
from people.keys.ring import KeyRing

CALLER = "credit_ledger.caller"
"""The entry of an ASGI scope that has the key of the caller, after api.http.requests.authentication has checked it."""
_HEADER = b"authorization"
_FORWARDED = b"x-forwarded-for"
_LAST = 200
"""Characters of that header, from its end, which is what the nearest proxies wrote."""
_DELIVERIES = "/v1/webhooks/"
"""The beginning of the addresses to which payment providers deliver. A signature is their key."""
_REVOCATIONS = "/v1/keys/revocations"
"""Where whoever has a key may revoke it. The key is in the body."""


def below_v1(path: str) -> bool:
    """Whether an address belongs to the API, which answers nobody without a key."""
    return path.startswith("/v1") and path[3:4] in {"", "/"}


def needs_key(method: str, path: str) -> bool:
    """Whether an address answers nobody without a key: all below /v1 but those of deliveries and of revocations."""
    if method == "POST" and path == _REVOCATIONS:
        return False
    if method == "POST" and path.startswith(_DELIVERIES):
        name = path[len(_DELIVERIES) :]
        return not name or "/" in name
    return below_v1(path)


def authorization_of(scope: Scope, headers: Headers) -> bytes | None:
    """The Authorization header. Raises AccessRefused if it comes several times."""
    if len(headers) != len(scope["headers"]) and [name for name, _ in scope["headers"]].count(_HEADER) > 1:
        raise AccessRefused("unauthenticated", "Send one Authorization header.")
    return headers.get(_HEADER)


async def authenticate(keys: KeyRing, scope: Scope, headers: Headers) -> ApiKey:
    """The key of the caller, with its request counted as one command. Raises AccessRefused."""
    client = scope.get("client")
    sender = (client[0] if client else "", headers.get(_FORWARDED, b"")[-_LAST:])
    key = await keys.authenticate(authorization_of(scope, headers), sender)
    count(keys, scope, key)
    return key


def caller_of(scope: Scope) -> ApiKey:
    """The key of the caller. Raises AccessRefused if it was not checked."""
    key: ApiKey | None = scope.get(CALLER)
    if key is None:
        raise AccessRefused("unauthenticated", "Send an API key as 'Authorization: Bearer <key>'.")
    return key


def require(key: ApiKey, scopes: Scopes) -> None:
    """Raise Problem unless a key has one of some scopes."""
    for scope in scopes:
        if key.allows(scope):
            return
    raise Problem("missing_scope", f"The API key lacks the scope {' or '.join(scopes)}.", scope=scopes[0])
