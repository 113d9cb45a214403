"""People in teams at a service: they are put into its database with a session each, and act over HTTP."""

import re
import secrets
import time
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.postgres import owner
from tests.service import Service

_USER = (
    "INSERT INTO people.users (user_id, email, name, email_verified_at, created_at, account_opened_at) "
    "VALUES (%s, %s, %s, now(), now(), now())"
)
_SESSION = (
    "INSERT INTO people.sessions (cookie_sha256, account_id, user_id, kind, created_at, link_expires_at, expires_at, "
    "begun_at, used_at) VALUES (%s, %s, %s, %s, now(), now(), now() + interval '7 days', now(), now())"
)


@dataclass
class Company:
    """A service at which people sign in, and those who did."""

    service: Service
    mail: Path
    ids: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def enter(self, *names: str) -> None:
        """People with an account each, signed in at /api."""
        with psycopg.connect(owner(self.service.conninfo)) as connection:
            for name in names:
                user_id = self.ids[name] = f"usr_{secrets.token_hex(10)}"
                connection.execute(_USER, (user_id, f"{name}@example.com", name.title()))
                self.tokens[name] = self._session(connection, user_id, user_id, "token")
        for name in names:
            body = {"account_id": self.ids[name], "signup_credits": 100}
            assert self.service.post("/v1/accounts", body).status_code == 201

    def cookie(self, name: str, account_id: str | None = None) -> str:
        """The cookie of a new session at the pages, in an account of theirs."""
        with psycopg.connect(owner(self.service.conninfo)) as connection:
            return self._session(connection, self.ids[name], account_id or self.ids[name], "page")

    def _session(self, connection: psycopg.Connection[Any], user_id: str, account_id: str, kind: str) -> str:
        secret = secrets.token_urlsafe(32)
        connection.execute(_SESSION, (sha256(secret.encode()).digest(), account_id, user_id, kind))
        return secret

    def ask(self, who: str | None, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """A request of a person; of nobody without a name."""
        bearer = {"Authorization": f"Bearer {self.tokens[who]}" if who else ""}
        return self.service.client.request(method, path, headers=bearer, json=body, **options)

    def team(self, slug: str, by: str, **roles: str) -> str:
        """A new team with people in their roles, who may be suspended or removed as well."""
        made = self.ask(by, "POST", "/api/teams", {"name": slug.title(), "slug": slug})
        assert made.status_code == 201, made.text
        team: str = made.json()["id"]
        with psycopg.connect(owner(self.service.conninfo)) as connection:
            for name, role in roles.items():
                if role != "removed":
                    connection.execute(
                        "INSERT INTO people.members (team_id, user_id, role, status, joined_at) VALUES "
                        "(%s, %s, %s, %s, now())",
                        (
                            team,
                            self.ids[name],
                            "member" if role == "suspended" else role,
                            role if role == "suspended" else "active",
                        ),
                    )
        return team

    def link(self, name: str, other_than: str = "", *, kind: str = "invitation", path: str = "invitation") -> str:
        """The secret of the newest invitation to somebody, as soon as it was mailed; another one than one of before.

        In the same way the end of the link in another kind of mail, behind the path of its page.
        """
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for file in sorted(self.mail.glob(f"*-{kind}.eml"), reverse=True):
                message = message_from_bytes(file.read_bytes(), policy=default)
                if message["to"] == f"{name}@example.com":
                    found = re.search(rf"/dashboard/{path}/(\S+)", message.get_content())
                    assert found is not None
                    if found[1] != other_than:
                        return found[1]
                    break
            time.sleep(0.05)
        raise AssertionError(f"there is no {kind} to {name}")
