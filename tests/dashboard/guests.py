"""Guests of the dashboard without a browser: whoever came in by a link or a key, with the cookies of a browser."""

import re
from typing import Any

import httpx

from tests.service import ADMIN_KEY, Service

ROOT = "/dashboard"

_there: list[httpx.Client] = []


def all_leave() -> None:
    """Close what every guest has open."""
    while _there:
        _there.pop().close()


def guest(service: Service, **headers: str) -> httpx.Client:
    """Somebody whom nobody knows yet."""
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
    """The holder of an account, come in by a link."""
    client = guest(service)
    answer = client.get(portal_link(service, account_id, **fields))
    assert answer.status_code == 200, answer.text
    return client


def operator(service: Service, key: str = ADMIN_KEY) -> httpx.Client:
    """Somebody signed in with an API key."""
    client = guest(service)
    answer = signing_in(client, key)
    assert answer.status_code == 200, answer.text
    return client


def signing_in(client: httpx.Client, key: str) -> httpx.Response:
    """What the form says to a key."""
    form = client.get(f"{ROOT}/sign-in")
    return client.post(f"{ROOT}/sign-in", data={"key": key, "csrf": token_in(form)})


def token_in(page: httpx.Response) -> str:
    """The token that the forms of a page carry."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found, page.text
    return found[1]
