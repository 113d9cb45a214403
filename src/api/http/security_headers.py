"""The security headers of pages, of the dashboard and of the API's description: what the browser must not do."""

import secrets

from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'nonce-{nonce}'",
        "style-src 'nonce-{nonce}'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # not stricter, or forms would send `Origin: null`
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_HSTS = "max-age=31536000"
"""A year, and not for the subdomains of the host, of which the service knows nothing."""


class SecurityHeaders:
    """Middleware that adds the headers to every answer. Pages read the nonce from `request.state.nonce`.

    With `https`, browsers are told to reach this host over https only, for a year.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = {**_HEADERS, "strict-transport-security": _HSTS} if https else _HEADERS

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes of the application."""
        return getattr(self._app, "routes", [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        nonce = secrets.token_urlsafe(16)
        scope["state"] = {**scope.get("state", {}), "nonce": nonce}
        answered = False

        async def send_protected(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                self._protect(MutableHeaders(scope=message), nonce)
            await send(message)
            answered = message["type"] == "http.response.body" and not message.get("more_body")

        try:
            await self._app(scope, receive, send_protected)
        except Exception:
            if not answered:  # Starlette raises an exception again after it answered and logged it
                raise

    def _protect(self, headers: MutableHeaders, nonce: str) -> None:
        headers["content-security-policy"] = _POLICY.format(nonce=nonce)
        headers.setdefault("cache-control", "no-store")
        for name, value in self._headers.items():
            headers[name] = value
