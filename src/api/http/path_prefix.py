"""A path prefix: the service behind a proxy that serves it below a path, whether the proxy keeps the path or strips it.

The hot path gets every request without the prefix. The framework gets the path with the prefix, and the prefix as
`root_path`, as ASGI defines it; it finds mounted applications only in this way. A service without a prefix uses
neither class.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.requests.encoded_slashes import PERCENT, with_encoded_slashes


class StripPathPrefix:
    """Middleware that removes the prefix from the path of a request."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self._prefix = prefix
        self._below = f"{prefix}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "http":
            if PERCENT in scope["raw_path"]:
                scope = with_encoded_slashes(scope)
            path: str = scope["path"]
            if path == self._prefix or path.startswith(self._below):
                scope = {**scope, "path": path.removeprefix(self._prefix)}
        await self.app(scope, receive, send)


class AddPathPrefix:
    """Middleware that adds the prefix to the path of a request."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "http":
            scope = {**scope, "root_path": self._prefix, "path": self._prefix + scope["path"]}
        await self._app(scope, receive, send)
