"""A service at which people sign in, and what they are told by mail."""

import re
import time
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import httpx

from tests.service import Service

PASSWORD = "correct horse battery"


class Club:
    """A service at which people sign in, and the folder of its mails."""

    def __init__(self, service: Service, mail: Path) -> None:
        self.service = service
        self.mail = mail

    def post(self, path: str, bearer: str | None = None, /, **body: str) -> httpx.Response:
        """A request of a person."""
        return self.ask("POST", path, bearer, json=body)

    def ask(self, method: str, path: str, bearer: str | None = None, **options: Any) -> httpx.Response:
        """A request without an API key."""
        headers = {"Authorization": f"Bearer {bearer}" if bearer else "", "User-Agent": "A phone"}
        return self.service.client.request(method, path, headers=headers, **options)

    def token(self, to: str, kind: str) -> str:
        """The secret of the newest mail of a kind to somebody, as soon as it is there."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for file in sorted(self.mail.glob(f"*-{kind}.eml"), reverse=True):
                message = message_from_bytes(file.read_bytes(), policy=default)
                if message["to"] == to:
                    found = re.search(r"http://127\.0\.0\.1:1/dashboard/\w+/(\S+)", message.get_content())
                    assert found is not None
                    return found[1]
            time.sleep(0.05)
        raise AssertionError(f"there is no mail {kind} to {to}")

    def join(self, name: str) -> dict[str, Any]:
        """A new person, signed in."""
        email = f"{name}@example.com"
        assert self.post("/api/auth/register", email=email, password=PASSWORD, name=name).status_code == 201
        token = self.token(email, "verification")
        made: dict[str, Any] = self.post("/api/auth/verification", token=token, password=PASSWORD).json()
        return made
