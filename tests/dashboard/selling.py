"""A service that sells plans and packages, and what tests of its pages have in common."""

import os
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page

from tests.postgres import TestServers
from tests.service import Service, service_here

SHOTS = os.environ.get("CREDIT_LEDGER_TEST_SHOTS")


def selling(servers: TestServers, folder: Path, **settings: str) -> Iterator[Service]:
    """A service with some settings that sells two plans and two packages."""
    server = servers.get("embedded")
    assert server is not None
    told = {f"CREDIT_LEDGER_{name.upper()}": value for name, value in settings.items()}
    with server.database() as conninfo, service_here(conninfo, folder, settings=told) as running:
        price = {"amount_minor": 1_900, "currency": "EUR"}
        monthly = {**price, "price": "monthly", "interval": {"months": 1}}
        yearly = {**price, "price": "yearly", "amount_minor": 19_000, "interval": {"months": 12}}
        pack = {"credits": 500, "prices": [{**price, "price": "once"}]}
        for path, body in {
            "plans/pro": {
                "name": "Pro",
                "credits": 2_000,
                "rank": 1,
                "prices": [monthly, yearly],
                "features": ["All models"],
            },
            "plans/free": {"name": "Free", "credits": 10},
            "packages/pack": {"name": "Pack", **pack},
            "packages/locked": {"name": "Extra", "needs_subscription": True, **pack},
        }.items():
            assert running.client.put(f"/v1/{path}", json=body).status_code == 201
        yield running


def checkout_of(service: Service, account: str, **what: object) -> dict[str, str]:
    """A checkout over HTTP."""
    body = {"account_id": account, "return_url": "https://product.example/", **what}
    answer = service.post("/v1/checkouts", body, key=f"{account}-{what}")
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


def credits(service: Service, account: str) -> int:
    """The credits that an account may spend."""
    found: int = service.get(f"/v1/accounts/{account}/balance").json()["available"]
    return found


def shot(page: Page, name: str) -> None:
    """Keep a picture, for whoever wants to look at it."""
    if SHOTS:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=f"{SHOTS}/{name}-{scheme}.png", full_page=True)
        page.emulate_media(color_scheme="light")
