"""The hot path: deductions and batches are answered without the framework, because they are the most frequent."""

from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from api.contract.operations import OPERATIONS
from api.http.authentication import Authentication
from api.http.command_endpoint import CommandEndpoint
from api.http.methods import HeadAndOptions
from api.http.requests import send_reply
from people.api_keys import KeyRing


class HotPath:
    """Answers deductions and batches itself, and passes every other request on to the framework.

    Both ways give the same answers: a test compares them.
    """

    def __init__(self, app: FastAPI, endpoint: CommandEndpoint, keys: KeyRing) -> None:
        self.app = app
        self.framework = HeadAndOptions(Authentication(app, keys, endpoint), app.routes)
        self._endpoint = endpoint
        self._deduct = OPERATIONS["deduct"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "http" and scope["method"] == "POST":
            path = scope["path"]
            if path.startswith("/v1/accounts/") and path.endswith("/deductions"):
                account_id = path[13:-11]
                if account_id and "/" not in account_id:
                    await self._reply(
                        self._endpoint.command(self._deduct, {"account_id": account_id}, scope, receive), send
                    )
                    return
            elif path == "/v1/batch":
                await self._reply(self._endpoint.batch(scope, receive), send)
                return
        await self.framework(scope, receive, send)

    async def _reply(self, pending: Any, send: Send) -> None:
        try:
            reply = await pending
        except ConnectionResetError:
            return  # the client has disconnected; its command is executed all the same
        await send_reply(send, reply)
