"""The document of a product's dashboard, route by route: what its front end sends, and what it expects.

The tables have the examples of that document as they stand there, and what its components read besides. An answer may
have more fields, and no field of it may be missing or of another type. Where we differ on purpose is in `MAY_BE_NULL`,
and in docs/people.md.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tests.api.club import PASSWORD, Club
from tests.api.conftest import under_contract
from tests.api.contract import the_app
from tests.api.stage import Json, eventually
from tests.billing.changes.stripe_server import StripeServer, now_of, sell, stripe_server
from tests.postgres import TestServers
from tests.service import Service, service_here

ORIGIN = "https://app.example.com"
AT = "2025-12-17T10:00:00Z"
PAGE = {"id": "cs_1", "url": "https://checkout.stripe.com/c/cs_1", "expires_at": 2_000_000_000}
EMAIL = "user@example.com"


class Row(NamedTuple):
    """A route of the document: what is sent to it, and what it answers."""

    name: str
    status: int
    sent: Any
    told: Json
    query: str = ""


REGISTERING = (
    Row(
        "POST /api/auth/register",
        201,
        {"email": EMAIL, "password": PASSWORD, "name": "John Doe"},
        {"user": {"id": "uuid", "email": EMAIL, "name": "John Doe", "tier": "free"}, "token": "jwt_token_here"},
    ),
)
SIGNED_IN = (
    Row(
        "POST /api/auth/login",
        200,
        {"email": EMAIL, "password": PASSWORD},
        {"user": {"id": "uuid", "email": EMAIL, "name": "John Doe", "tier": "pro"}, "token": "jwt_token_here"},
    ),
    Row(
        "POST /api/subscription/upgrade",
        200,
        {"tier": "lite", "billing_period": "monthly"},
        {"checkout_url": "https://lunaagents.lemonsqueezy.com/checkout/...", "expires_at": AT},
    ),
)
SUBSCRIBED = (
    Row(
        "PATCH /api/user/profile",
        200,
        {"name": "Jane Doe", "avatar_url": "https://example.com/jane.png"},
        {"id": "uuid", "email": EMAIL, "name": "Jane Doe", "avatar_url": "https://..."},
    ),
    Row(
        "GET /api/user/profile",
        200,
        None,
        {
            "id": "uuid",
            "email": EMAIL,
            "name": "John Doe",
            "avatar_url": "https://...",
            "tier": "pro",
            "subscription_status": "active",
            "subscription_start_date": "2025-01-01T00:00:00Z",
            "subscription_end_date": "2026-01-01T00:00:00Z",
            "created_at": "2025-01-01T00:00:00Z",
            "last_login_at": "2025-12-17T10:30:00Z",
        },
    ),
    Row(
        "GET /api/usage/current",
        200,
        None,
        {
            "period": "month",
            "period_start": "2025-12-01T00:00:00Z",
            "period_end": "2025-12-31T23:59:59Z",
            "tier": "pro",
            "limits": {"rag_queries": "unlimited", "files_indexed": "unlimited", "agent_executions": "unlimited"},
            "usage": {"rag_queries": 1234, "agent_executions": 456, "files_indexed": 5678, "deployments": 23},
            "daily_breakdown": [
                {"date": "2025-12-01", "rag_queries": 45, "agent_executions": 12, "files_indexed": 234}
            ],
        },
    ),
    *(
        Row(
            "GET /api/usage/history",
            200,
            None,
            {
                "start_date": "2025-11-01",
                "end_date": "2025-12-17",
                "data": [{"date": "2025-11-01", "rag_queries": 89, "agent_executions": 23, "files_indexed": 456}],
                "daily_breakdown": [{"date": "2025-11-01", "rag_queries": 89, "agent_executions": 23}],
                "totals": {"rag_queries": 4567, "agent_executions": 1234, "files_indexed": 23456},
            },
            query,
        )
        for query in ("?start_date=2025-11-01&end_date=2025-12-17&metric_type=rag_query", "?days=7")
    ),
    Row(
        "GET /api/usage/analytics",
        200,
        None,
        {
            "period": "month",
            "productivity": {
                "features_shipped": 12,
                "bugs_fixed": 34,
                "time_saved_hours": 45.5,
                "deployments": 23,
                "code_reviews": 56,
            },
            "performance": {"avg_response_time_ms": 245, "success_rate": 98.5, "uptime_percentage": 99.8},
            "roi": {"cost_per_month": 29, "estimated_value": 1200, "roi_multiplier": 41.4},
        },
    ),
    Row(
        "POST /api/keys",
        201,
        {"name": "New API Key", "scopes": ["read", "write"], "expires_in_days": 365},
        {
            "id": "uuid",
            "name": "New API Key",
            "key": "luna_sk_1234567890abcdef...",
            "key_prefix": "luna_sk_12345678",
            "scopes": ["read", "write"],
            "expires_at": "2026-12-17T00:00:00Z",
            "created_at": AT,
        },
    ),
    Row(
        "GET /api/keys",
        200,
        None,
        {
            "keys": [
                {
                    "id": "uuid",
                    "name": "Production Key",
                    "key_prefix": "luna_sk_12345678",
                    "scopes": ["read", "write"],
                    "is_active": True,
                    "last_used_at": AT,
                    "created_at": "2025-01-01T00:00:00Z",
                    "expires_at": None,
                }
            ]
        },
    ),
    Row(
        "PATCH /api/keys/{keyId}",
        200,
        {"name": "Updated Key Name", "is_active": False},
        {"id": "uuid", "name": "Updated Key Name", "is_active": False},
    ),
    Row("DELETE /api/keys/{keyId}", 200, None, {"message": "API key revoked successfully"}),
    Row(
        "GET /api/subscription",
        200,
        None,
        {
            "tier": "pro",
            "status": "active",
            "subscription_id": "lemon_sub_123",
            "customer_id": "lemon_cust_456",
            "current_period_start": "2025-12-01T00:00:00Z",
            "current_period_end": "2026-01-01T00:00:00Z",
            "cancel_at_period_end": False,
            "features": ["15+ AI agents"],
            "next_invoice": {"amount": 29.00, "currency": "USD", "date": "2026-01-01T00:00:00Z"},
        },
    ),
    Row(
        "POST /api/subscription/cancel",
        200,
        None,
        {"message": "Subscription will be canceled at period end", "cancel_at": "2026-01-01T00:00:00Z"},
    ),
)
CANCELLED = (
    Row(
        "POST /api/subscription/reactivate",
        200,
        None,
        {"message": "Subscription reactivated successfully", "status": "active"},
    ),
    Row(
        "POST /api/teams",
        201,
        {"name": "New Team", "slug": "new-team"},
        {"id": "uuid", "name": "New Team", "slug": "new-team", "tier": "team", "created_at": AT},
    ),
    Row(
        "GET /api/teams",
        200,
        None,
        {
            "teams": [
                {
                    "id": "uuid",
                    "name": "My Team",
                    "slug": "my-team",
                    "role": "owner",
                    "member_count": 3,
                    "tier": "team",
                    "created_at": "2025-01-01T00:00:00Z",
                }
            ]
        },
    ),
    Row(
        "POST /api/teams/{teamId}/members",
        201,
        {"email": "newmember@example.com", "role": "member"},
        {"id": "uuid", "email": "newmember@example.com", "role": "member", "status": "invited", "invited_at": AT},
    ),
    Row(
        "GET /api/teams/{teamId}/members",
        200,
        None,
        {
            "members": [
                {
                    "id": "uuid",
                    "user_id": "uuid",
                    "name": "John Doe",
                    "email": "john@example.com",
                    "role": "owner",
                    "status": "active",
                    "joined_at": "2025-01-01T00:00:00Z",
                }
            ]
        },
    ),
    Row(
        "GET /api/teams/{teamId}/usage",
        200,
        None,
        {
            "team_id": "uuid",
            "period": "month",
            "total_usage": {"rag_queries": 5678, "agent_executions": 1234, "deployments": 89},
            "member_breakdown": [{"user_id": "uuid", "name": "John Doe", "rag_queries": 2345, "agent_executions": 567}],
        },
    ),
    Row("POST /api/auth/logout", 200, None, {"message": "Logged out successfully"}),
)
ROWS = (*REGISTERING, *SIGNED_IN, *SUBSCRIBED, *CANCELLED)
MAY_BE_NULL = {
    "roi.cost_per_month": "the ledger knows no price of work",
    "roi.estimated_value": "the ledger knows no value of work",
    "roi.roi_multiplier": "it is made of the two",
    "customer_id": "the ledger keeps no customers of providers",
    "keys[].last_used_at": "a key that was never used",
}
"""The fields that we answer with null, and why."""
_IDS = {"POST /api/keys": "keyId", "POST /api/teams": "teamId"}
"""The routes whose answers name what later routes are about."""


class Front(NamedTuple):
    """The front end of the document, at a service."""

    club: Club
    stripe: StripeServer
    known: dict[str, str]

    @property
    def service(self) -> Service:
        """The service."""
        return self.club.service

    def ask(self, row: Row) -> httpx.Response:
        """Send what the document says."""
        method, path = row.name.split()
        body = {} if row.sent is None else {"json": row.sent}
        path = re.sub(r"\{(\w+)\}", lambda found: self.known[found[1]], path)
        return self.club.ask(method, path + row.query, self.known.get("token"), **body)

    def follow(self, rows: tuple[Row, ...]) -> None:
        """Ask some routes one after the other, and hold their answers against the document."""
        for row in rows:
            answer = self.ask(row)
            assert answer.status_code == row.status, (row.name, answer.text)
            told = answer.json()
            assert list(differences(row.told, told)) == [], row.name
            if row.name in _IDS:
                self.known[_IDS[row.name]] = told["id"]
            if row.name == "POST /api/auth/login":
                self.known.update(token=told["token"], user=told["user"]["id"])


@pytest.fixture(scope="module")
def front(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    server, folder = servers.get("embedded"), tmp_path_factory.mktemp("front")
    assert server is not None
    people = {
        "CREDIT_LEDGER_REGISTRATION": "open",
        "CREDIT_LEDGER_KEY_BRAND": "luna_sk",
        "CREDIT_LEDGER_ALLOWED_ORIGINS": ORIGIN,
    }
    with stripe_server() as stripe, server.database() as conninfo:
        stripe.server.answers["POST", "/v1/checkout/sessions"] = PAGE
        with service_here(conninfo, folder, settings={**stripe.settings, **people}) as service:
            under_contract(service)
            sell(service)
            yield Front(Club(service, folder / "data" / "mail"), stripe, {})


def differences(expected: Any, told: Any, at: str = "") -> Iterator[str]:
    """Where an answer has not what the document has: a field that is missing, or a value of another type."""
    match expected:
        case dict():
            missing = expected.keys() - told.keys()
            yield from sorted(f"{at}.{name} is missing".lstrip(".") for name in missing)
            for name in sorted(expected.keys() - missing):
                yield from differences(expected[name], told[name], f"{at}.{name}".lstrip("."))
        case list():
            if not told:
                yield f"{at} is empty"
            for one in told:
                yield from differences(expected[0], one, f"{at}[]")
        case None:
            pass
        case _ if told is None:
            if at not in MAY_BE_NULL:
                yield f"{at} is null"
        case _ if at.split(".")[-1] == "message" and told != expected:
            yield f"{at} says {told!r}"
        case _ if kind_of(told) != kind_of(expected) and expected != "unlimited":
            yield f"{at} is {told!r}"


def kind_of(value: Any) -> str:
    """The type of a value in JSON; what is a time or a day, by its form."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str() if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value):
            return "time"
        case str() if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return "day"
        case _:
            return type(value).__name__


WORK = ("feature_shipped", "bug_fixed", "time_saved_minutes", "deployment", "code_review", "uptime_check", "rag_query")


def work(front: Front) -> None:
    """Usage of each metric that the document tells of, until it is counted."""
    account, last = front.known["user"], {}
    for place, metric in enumerate(WORK):
        usage = {"metric": metric, "quantity": 2, "duration_ms": 120, "success": True}
        told = front.service.post(f"/v1/accounts/{account}/deductions", {"amount": 1, "usage": usage}, key=f"w{place}")
        assert told.status_code == 201, told.text
        last = told.json()
    today = last["recorded_at"][:10]
    span = {"from": today, "to": today, "min_position": last["position"]}
    assert front.service.get(f"/v1/accounts/{account}/usage", **span).status_code == 200


def test_a_front_end_is_answered_as_its_document_says(front: Front) -> None:
    front.follow(REGISTERING)
    mailed = front.club.token(EMAIL, "verification")
    front.club.post("/api/auth/verification", token=mailed, password=PASSWORD)
    front.follow(SIGNED_IN)
    account = front.stripe.subscribe(front.service, 1, front.known["user"])
    work(front)
    front.follow(SUBSCRIBED)
    eventually(lambda: (now_of(front.service, account) or {})["cancel_at"] is not None, 30)
    front.follow(CANCELLED)


def test_what_a_front_end_needs_beyond_shapes(front: Front) -> None:
    """The values that its pages show as they are."""
    front.known.pop("token", None)
    made = front.club.post("/api/auth/login", email=EMAIL, password=PASSWORD).json()
    ask: Callable[..., httpx.Response] = front.club.ask
    key = front.club.ask("POST", "/api/keys", made["token"], json={"name": "Production Key"}).json()
    assert re.fullmatch(r"luna_sk_[0-9A-Za-z]{8}", key["key_prefix"])
    assert key["key"].startswith(key["key_prefix"])
    bought = ask("GET", "/api/subscription", made["token"]).json()
    assert (bought["tier"], bought["features"]) == ("lite", ["All models"])
    invoice = bought["next_invoice"]
    assert (invoice["amount"], invoice["amount_minor"], invoice["currency"]) == (10.0, 1_000, "EUR")
    assert invoice["date"] == bought["current_period_end"]
    wrong = ask("POST", "/api/subscription/upgrade", made["token"], json={"tier": "lite", "billing_period": "yearly"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "price_not_found")
    better = ask("POST", "/api/subscription/upgrade", made["token"], json={"tier": "pro"})
    assert (better.status_code, better.json()["effect"], better.json()["checkout_url"]) == (200, "now", None)


def test_a_browser_may_send_every_request_of_the_document(front: Front) -> None:
    for row in ROWS:
        method, path = row.name.split()
        asked = {"Origin": ORIGIN, "Access-Control-Request-Method": method}
        asked |= {"Access-Control-Request-Headers": "authorization, content-type", "Authorization": ""}
        path = path.replace("{keyId}", "00000000").replace("{teamId}", "team_00000000000000000000")
        told = front.service.client.request("OPTIONS", path, headers=asked).headers
        assert told["access-control-allow-origin"] == ORIGIN, row.name
        assert method in told["access-control-allow-methods"], row.name
        allowed = told["access-control-allow-headers"]
        assert {"authorization", "content-type"} <= set(allowed.split(", ")), row.name


def test_every_route_of_the_document_is_in_ours() -> None:
    ours = {
        f"{method.upper()} {re.sub(r'{[^}]+}', '{}', path)}"
        for path, item in the_app().openapi()["paths"].items()
        for method in item
    }
    assert {re.sub(r"\{\w+\}", "{}", row.name) for row in ROWS} - ours == set()
