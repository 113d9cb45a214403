"""The routes of the catalogue: plans and packages are read, and put there as new versions."""

from collections.abc import Iterator

import httpx
import pytest

from people.api_keys import create_key
from tests.api.conftest import under_contract
from tests.api.stage import Json, field_errors, refused
from tests.billing.catalogs import WHOLE_PACKAGE, WHOLE_PLAN
from tests.postgres import TestServers
from tests.service import Service, service_here


@pytest.fixture(scope="module")
def shop(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose catalogue has only what these tests put there."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("shop")) as running:
        under_contract(running)
        yield running


def put(service: Service, path: str, body: Json, **headers: str) -> httpx.Response:
    return service.client.put(f"/v1/{path}", json=body, headers=headers)


def price(product_id: str, **more: object) -> Json:
    return {"price": "p", "amount_minor": 500, "currency": "EUR", "products": {"stripe": product_id}, **more}


def test_a_plan_is_put_and_read_in_all_its_versions(shop: Service) -> None:
    first = put(shop, "plans/whole", WHOLE_PLAN)
    assert first.status_code == 201
    assert WHOLE_PLAN.items() <= first.json().items()
    assert (first.json()["plan_id"], first.json()["version"], first.json()["created_by"]) == ("whole", 1, "key:admin")
    assert first.headers["x-request-id"]
    same = put(shop, "plans/whole", WHOLE_PLAN)
    assert (same.status_code, same.json()) == (200, first.json())
    second = put(shop, "plans/whole", {**WHOLE_PLAN, "credits": 3_000})
    assert (second.status_code, second.json()["version"]) == (201, 2)
    newest = shop.get("/v1/plans/whole").json()
    assert newest == second.json()
    assert [one["version"] for one in newest["versions"]] == [2, 1]
    old = shop.get("/v1/plans/whole", version=1).json()
    assert (old["credits"], old["sha256"]) == (2_000, first.json()["sha256"])
    assert old["versions"] == newest["versions"]


def test_a_package_too(shop: Service) -> None:
    answer = put(shop, "packages/whole", WHOLE_PACKAGE)
    assert answer.status_code == 201
    assert WHOLE_PACKAGE.items() <= answer.json().items()
    assert put(shop, "packages/whole", WHOLE_PACKAGE).status_code == 200
    assert shop.get("/v1/packages/whole").json() == answer.json()


def test_what_is_not_said_has_its_default(shop: Service) -> None:
    found = put(shop, "plans/least", {"name": "Least", "credits": 0}).json()
    assert (
        found.items()
        >= {
            "description": "",
            "features": [],
            "rank": 0,
            "group": "plans",
            "every": {"months": 1},
            "roll_over": None,
            "grace_hours": 24,
            "trial": None,
            "prices": [],
            "limits": [],
            "listed": True,
            "applies_to": "new",
        }.items()
    )


def test_lists_have_the_newest_versions_in_their_order(shop: Service) -> None:
    for name, rank, credits, listed in (("z", 1, 5, True), ("y", 1, 4, True), ("x", 0, 9, True), ("w", 2, 1, False)):
        body = {"name": name, "rank": rank, "credits": credits, "listed": listed}
        assert put(shop, f"plans/order-{name}", body).status_code == 201
        assert put(shop, f"packages/order-{name}", {"name": name, "credits": credits}).status_code == 201
    ids = [one["plan_id"] for one in shop.get("/v1/plans").json()["plans"] if one["plan_id"].startswith("order-")]
    assert ids == ["order-x", "order-y", "order-z", "order-w"]
    seen = {one["plan_id"] for one in shop.get("/v1/plans", listed="true").json()["plans"]}
    hidden = {one["plan_id"] for one in shop.get("/v1/plans", listed="false").json()["plans"]}
    assert ("order-w" in seen, "order-w" in hidden, seen & hidden) == (False, True, set())
    packages = [one["package_id"] for one in shop.get("/v1/packages").json()["packages"]]
    assert [name for name in packages if name.startswith("order-")] == ["order-w", "order-y", "order-z", "order-x"]


def test_a_product_keeps_its_terms(shop: Service) -> None:
    body = {"name": "Kept", "credits": 100, "prices": [price("kept", interval={"months": 1})]}
    assert put(shop, "plans/kept", body).status_code == 201
    answer = put(shop, "plans/kept", {**body, "credits": 200})
    facts = {"provider": "stripe", "product_id": "kept", "plan_id": "kept", "version": 1}
    document = refused(answer, 409, "product_belongs_to_another", **facts)
    assert "version 1 of the plan 'kept'" in document["detail"]
    refused(
        put(shop, "packages/kept", {"name": "x", "credits": 1, "prices": [price("kept")]}),
        409,
        "product_belongs_to_another",
    )
    assert put(shop, "plans/kept", {**body, "credits": 200, "applies_to": "all"}).json()["version"] == 2
    refused(shop.get("/v1/packages/kept"), 404, "package_not_found")


def test_what_is_not_there_is_named(shop: Service) -> None:
    put(shop, "plans/there", {"name": "There", "credits": 1})
    refused(shop.get("/v1/plans/nowhere"), 404, "plan_not_found", plan_id="nowhere")
    refused(shop.get("/v1/plans/there", version=2), 404, "plan_not_found", plan_id="there", version=2)
    refused(shop.get("/v1/packages/there"), 404, "package_not_found", package_id="there")


WRONG: list[tuple[Json, str, str]] = [
    ({"name": "x"}, "credits", "is required"),
    ({"name": "x", "credits": 1, "colour": "red"}, "colour", "is not a field of this request"),
    ({"name": "x", "credits": 1.5}, "credits", "input should be a valid integer"),
    ({"name": "x", "credits": True}, "credits", "input should be a valid integer"),
    ({"name": "x", "credits": 2**53}, "credits", "input should be less than or equal to 9007199254740991"),
    ({"name": "x", "credits": 1, "every": {}}, "every", "must have `months` or `days`, and not both"),
    ({"name": "x", "credits": 1, "prices": [price("w")]}, "prices.0.interval", "is required"),
    (
        {"name": "x", "credits": 1, "prices": [price("w", interval={"months": 1}, products={"strip": "w"})]},
        "prices.0.products.strip",
        "input should be 'dodo', 'lemonsqueezy', 'stripe', 'polar' or 'paddle'",
    ),
]


@pytest.mark.parametrize(("body", "field", "message"), WRONG, ids=[field for _, field, _ in WRONG])
def test_a_wrong_field_is_named(shop: Service, body: Json, field: str, message: str) -> None:
    errors = field_errors(put(shop, "plans/wrong", body))
    assert errors[field]["message"] == message
    refused(shop.get("/v1/plans/wrong"), 404, "plan_not_found")


def test_a_wrong_request_changes_nothing(shop: Service) -> None:
    good: Json = {"name": "x", "credits": 1}
    assert "plan_id" in field_errors(put(shop, "plans/a%20b", good))
    assert "colour" in field_errors(put(shop, "plans/never?colour=red", good))
    assert "version" in field_errors(shop.get("/v1/plans/never", version=0))
    refused(shop.client.put("/v1/plans/never", content="{"), 400, "malformed_json")
    many = {**good, **{f"f{number}": 1 for number in range(100)}}
    assert "may have at most" in field_errors(put(shop, "plans/never", many))["body"]["message"]
    twice = '{"name": "x", "credits": 1, "credits": 2}'
    assert "credits" in field_errors(shop.client.put("/v1/plans/never", content=twice))
    large = {**good, "features": ["x" * 100] * 50, "description": "x" * 70_000}
    answer = put(shop, "plans/never", large)
    refused(answer, 413, "body_too_large")
    refused(
        shop.client.put("/v1/plans/never", content="name=x", headers={"Content-Type": "text/plain"}),
        415,
        "unsupported_media_type",
    )
    refused(shop.client.post("/v1/plans/never", json=good), 405, "method_not_allowed")
    refused(shop.get("/v1/plans/never"), 404, "plan_not_found")


def test_only_an_admin_puts_and_a_reader_reads(shop: Service) -> None:
    reader = {"Authorization": f"Bearer {create_key(shop.conninfo, 'reads', ['ledger:read'])}"}
    admin_key = create_key(shop.conninfo, "admin", ["admin"])
    good: Json = {"name": "x", "credits": 1}
    refused(put(shop, "plans/scoped", good, **reader), 403, "missing_scope", scope="admin")
    answer = put(shop, "plans/scoped", good, Authorization=f"Bearer {admin_key}")
    assert answer.json()["created_by"] == f"key:{admin_key.split('_')[1][:8]}"
    assert shop.client.get("/v1/plans/scoped", headers=reader).status_code == 200
