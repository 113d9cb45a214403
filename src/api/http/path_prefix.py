"""A service below a path of its host: behind a proxy that passes that path on, or one that takes it away.

A request with the path comes to the hot routes as if the proxy had taken it away. The framework gets the address that
the caller sees, with `root_path` as ASGI means it: the beginning of `path` that leads to the application. It finds an
application that is mounted in another one in no other way. A service without such a path has neither of these two.
"""

from starlette.types import ASGIApp, Receive, Scope, Send


class StripPathPrefix:
    """An application to which every request comes without the prefix."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self._prefix = prefix
        self._below = f"{prefix}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan."""
        if scope["type"] == "http":
            path: str = scope["path"]
            if path == self._prefix or path.startswith(self._below):
                scope = {**scope, "path": path.removeprefix(self._prefix)}
        await self.app(scope, receive, send)


class AddPathPrefix:
    """An application to which every request comes with the prefix."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan."""
        if scope["type"] == "http":
            scope = {**scope, "root_path": self._prefix, "path": self._prefix + scope["path"]}
        await self._app(scope, receive, send)
