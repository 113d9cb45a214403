"""HEAD and OPTIONS are answered at every address, and a 405 lists the accepted methods."""

from functools import partial
from time import sleep

import httpx
import pytest

from tests.api.contract import Contract
from tests.api.stage import eventually, staged
from tests.dashboard.guests import guest, operator
from tests.service import ADMIN_KEY, Service

MOMENTARY = {"date", "set-cookie", "content-security-policy", "transfer-encoding", "x-request-id"}
"""Headers that differ from one answer to the next, and the one that only a body has."""
VALUES = {"account_id": "{account_id}", "operation": "open", "key": "{account_id}"} | dict.fromkeys(
    ("plan_id", "package_id", "checkout_id", "export_id", "name", "grant_id", "hold_id", "deduction_id", "transfer_id"),
    "a",
)
VALUES |= {"version": "1", "payment_id": "a", "month": "2026-10", "token": "a"}
VALUES |= {"team_id": "team_00000000000000000000", "user_id": "usr_00000000000000000000"}
NEEDED = {"from": "2026-01-01", "to": "2026-01-02", "start_date": "2026-01-01", "end_date": "2026-01-02"}
PAGES = [
    "/dashboard",
    "/dashboard/",
    "/dashboard/sign-in",
    "/dashboard/accounts",
    "/dashboard/statistics",
    "/dashboard/service",
    "/dashboard/keys",
    "/dashboard/prices",
    "/dashboard/prices/what_if",
    "/dashboard/revenue/deferred.csv",
    "/dashboard/accounts/{account_id}",
    "/dashboard/accounts/{account_id}/usage",
    "/dashboard/accounts/{account_id}/usage.csv",
    "/dashboard/accounts/{account_id}/events",
    "/dashboard/accounts/{account_id}/keys",
    "/dashboard/accounts/{account_id}/grant",
    "/dashboard/accounts/nobody",
    "/dashboard/nothing",
    "/docs",
    "/openapi.json",
    "/static-offline-docs/swagger-ui.css",
    "/nothing",
]


def questions(contract: Contract, account: str) -> list[tuple[str, dict[str, str]]]:
    """Every address of the API that takes GET and ends, with the parameters that it needs."""
    found = []
    for path, item in contract.document["paths"].items():
        if "get" in item and not path.endswith("/stream"):
            named = item["get"].get("parameters", ())
            needed = {one["name"]: NEEDED[one["name"]] for one in named if one["in"] == "query" and one["required"]}
            found.append((path.format(**VALUES).format(account_id=account), needed))
    return found


def lasting_headers(response: httpx.Response) -> list[tuple[str, str]]:
    return sorted(item for item in response.headers.multi_items() if item[0] not in MOMENTARY)


def answered_alike(client: httpx.Client, path: str, parameters: dict[str, str] | None = None) -> bool:
    """Whether HEAD is answered as GET is, now."""
    whole, head = client.get(path, params=parameters), client.head(path, params=parameters)
    assert head.status_code == whole.status_code, path
    assert head.content == b"", path
    return lasting_headers(head) == lasting_headers(whole)


def answered(client: httpx.Client, path: str) -> httpx.Response:
    """The answer to HEAD. A busy service may ask for another attempt, as it does for any client."""
    answer = client.head(path)
    while answer.status_code == 503:
        sleep(int(answer.headers["retry-after"]))
        answer = client.head(path)
    return answer


def test_every_question_is_answered_to_head_as_to_get(service: Service, contract: Contract) -> None:
    asked = questions(contract, staged(service))
    assert {"/healthz", "/readyz", "/metrics", "/v1/events"} <= {path for path, _ in asked}
    for path, parameters in asked:
        eventually(partial(answered_alike, service.client, path, parameters))


def test_every_page_is_answered_to_head_as_to_get(service: Service) -> None:
    account = staged(service)
    for client in (operator(service), guest(service)):
        for path in PAGES:
            eventually(partial(answered_alike, client, path.format(account_id=account)))


def test_head_of_a_stream_ends(service: Service) -> None:
    account = staged(service)
    pages = operator(service)
    for client, path in (
        (service.client, "/v1/events/stream"),
        (service.client, f"/v1/accounts/{account}/events/stream"),
        (pages, f"/dashboard/accounts/{account}/updates"),
    ):
        answer = answered(client, path)
        assert (answer.status_code, answer.content) == (200, b""), (path, answer.headers)
        assert answer.headers["content-type"] == "text/event-stream"
    assert service.client.head("/v1/accounts/nobody/events/stream").status_code == 404
    eventually(lambda: "\ncredit_ledger_listeners 0.0\n" in service.get("/metrics").text)


ALLOWED = {
    "/healthz": "GET, HEAD, OPTIONS",
    "/v1/accounts": "GET, HEAD, OPTIONS, POST",
    "/v1/batch": "OPTIONS, POST",
    "/v1/accounts/a/deductions": "OPTIONS, POST",
    "/v1/accounts/a/grants": "GET, HEAD, OPTIONS, POST",
    "/v1/accounts/a/events/stream": "GET, HEAD, OPTIONS",
    "/v1/accounts/a/payments/p%2Fq/refunds": "OPTIONS, POST",
    "/v1/accounts/a/payments/p%2Fq/disputes": "OPTIONS, POST",
    "/v1/accounts/a/payments/p%2Fq/receipt.pdf": "GET, HEAD, OPTIONS",
    "/v1/accounts/a/payments/p%2Fq/invoice": "GET, HEAD, OPTIONS",
    "/v1/plans": "GET, HEAD, OPTIONS",
    "/v1/plans/a": "GET, HEAD, OPTIONS, PUT",
    "/v1/packages/a": "GET, HEAD, OPTIONS, PUT",
    "/v1/price_books": "GET, HEAD, OPTIONS, POST",
    "/v1/price_books/1": "GET, HEAD, OPTIONS",
    "/v1/estimates": "OPTIONS, POST",
    "/v1/revenue/deferred": "GET, HEAD, OPTIONS",
    "/v1/webhooks": "GET, HEAD, OPTIONS",
    "/v1/checkouts": "OPTIONS, POST",
    "/v1/checkouts/chk_1": "GET, HEAD, OPTIONS",
    "/v1/webhooks/stripe": "GET, HEAD, OPTIONS, POST",
    "/v1/webhooks/a/retry": "OPTIONS, POST",
    "/v1/accounts/a/subscriptions/p%2Fq": "OPTIONS, POST",
    "/v1/accounts/a/subscription": "GET, HEAD, OPTIONS",
    "/v1/keys": "GET, HEAD, OPTIONS, POST",
    "/v1/keys/00000000/rotation": "OPTIONS, POST",
    "/api/auth/login": "OPTIONS, POST",
    "/api/user/sessions": "DELETE, GET, HEAD, OPTIONS",
    "/api/user/sessions/1": "DELETE, OPTIONS",
    "/v1/audit.csv": "GET, HEAD, OPTIONS",
    "/v1/users": "GET, HEAD, OPTIONS, POST",
    "/v1/users/usr_00000000000000000000": "DELETE, GET, HEAD, OPTIONS, PATCH",
    "/v1/teams/team_00000000000000000000/members": "GET, HEAD, OPTIONS, POST",
    "/api/teams": "GET, HEAD, OPTIONS, POST",
    "/api/teams/t": "DELETE, OPTIONS, PATCH",
    "/api/teams/t/members/m": "DELETE, OPTIONS, PATCH",
    "/api/teams/t/limits": "GET, HEAD, OPTIONS, PUT",
    "/api/invitations/t/acceptance": "OPTIONS, POST",
    "/docs": "GET, HEAD, OPTIONS",
    "/dashboard": "GET, HEAD, OPTIONS",
    "/dashboard/sign-in": "GET, HEAD, OPTIONS, POST",
    "/dashboard/sign-out": "OPTIONS, POST",
    "/dashboard/keys": "GET, HEAD, OPTIONS, POST",
    "/dashboard/accounts/a/keys": "GET, HEAD, OPTIONS, POST",
    "/dashboard/accounts/a/grants/grt_1/void": "GET, HEAD, OPTIONS, POST",
}


@pytest.mark.parametrize("path", ALLOWED)
def test_what_an_address_takes_is_told(service: Service, path: str) -> None:
    """OPTIONS needs no API key, and a 405 has the same header: below /v1 for those who have one."""
    client = guest(service, Authorization=f"Bearer {ADMIN_KEY}")
    told = guest(service).options(path)
    assert (told.status_code, told.content, told.headers["allow"]) == (204, b"", ALLOWED[path])
    assert "content-length" not in told.headers
    refused = client.request("PUT" if "PATCH" in ALLOWED[path] else "PATCH", path)
    assert (refused.status_code, refused.headers["allow"]) == (405, ALLOWED[path])
    if "HEAD" not in ALLOWED[path]:
        refused = client.head(path)
        assert (refused.status_code, refused.headers["allow"], refused.content) == (405, ALLOWED[path], b"")


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing", "/dashboard/nothing", "/v1/accounts/a/b/c"])
def test_where_there_is_nothing_no_method_is_told(service: Service, path: str) -> None:
    assert guest(service).options(path).status_code == (401 if path.startswith("/v1") else 404)
    answer = guest(service, Authorization=f"Bearer {ADMIN_KEY}").options(path)
    assert answer.status_code == 404
    assert "allow" not in answer.headers


def test_the_service_as_a_whole_tells_all_methods(service: Service) -> None:
    answer = guest(service).request("OPTIONS", "/", extensions={"target": b"*"})
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST, PUT")


def test_a_long_method_is_not_repeated(service: Service) -> None:
    answer = guest(service).request("Q" * 5_000, "/healthz")
    assert answer.status_code == 405
    assert len(answer.content) < 1_000
