"""Users of the dashboard without a browser: clients with cookies, signed in by a link or a key."""

import re
from typing import Any

import httpx

from tests.service import ADMIN_KEY, Service

ROOT = "/dashboard"

_there: list[httpx.Client] = []


def all_leave() -> None:
    """Close all clients."""
    while _there:
        _there.pop().close()


def guest(service: Service, **headers: str) -> httpx.Client:
    """A client without a session."""
    client = httpx.Client(
        base_url=service.url, headers=headers, follow_redirects=True, trust_env=False, timeout=60, verify=service.verify
    )
    _there.append(client)
    return client


def portal_link(service: Service, account_id: str, **fields: Any) -> str:
    """A one-time link for the holder of an account."""
    answer = service.post("/v1/portal_sessions", {"account_id": account_id, **fields})
    assert answer.status_code == 201, answer.text
    url: str = answer.json()["url"]
    return url


def person(service: Service, account_id: str, **fields: Any) -> httpx.Client:
    """The holder of an account, signed in by a link."""
    client = guest(service)
    answer = client.get(portal_link(service, account_id, **fields))
    assert answer.status_code == 200, answer.text
    return client


def operator(service: Service, key: str = ADMIN_KEY) -> httpx.Client:
    """An operator, signed in with an API key."""
    client = guest(service)
    answer = signing_in(client, key)
    assert answer.status_code == 200, answer.text
    return client


def signing_in(client: httpx.Client, key: str) -> httpx.Response:
    """The answer of the sign-in form to a key."""
    form = client.get(f"{ROOT}/sign-in")
    return client.post(f"{ROOT}/sign-in", data={"key": key, "csrf": token_in(form)})


def token_in(page: httpx.Response) -> str:
    """The token of the forms of a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found, page.text
    return found[1]
