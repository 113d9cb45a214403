"""The matrix of docs/reliability.md is what the service does: every route and page, every kind of key and session.

Every request is wrong in its parameters or its body, so whoever is let in is told so, and whoever is not is told
nothing but that: authentication and scopes come before everything else.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from starlette.routing import Route

from api.contract.scope_matrix import matrix, own_key
from api.contract.scopes import MEANINGS, PAGES, PEOPLE, ROUTES
from api.dashboard.app import dashboard
from people.api_keys import OWN_SCOPES, SCOPES, create_key
from people.secret_format import new_secret
from tests.api.stage import Ask, asks, refused, staged
from tests.commands import command
from tests.dashboard.acting import filled_in, path_of
from tests.dashboard.guests import ROOT, all_leave, guest, operator, person
from tests.keys import prefix_of
from tests.postgres import TestServers, owner
from tests.service import ADMIN_KEY, PLAIN, Service, service_here

_ROOT = Path(__file__).parents[3]
PAGE = (_ROOT / "docs/reliability.md").read_text()
MIGRATION = _ROOT / "src/people/sql/0002_manage_scope_and_cursor_key.sql"
TWICE = "?colour=red&colour=green"
"""No route and no page takes this."""
VALUES = {
    "deduction_id": "ded_4",
    "hold_id": "hld_5",
    "grant_id": "grt_3",
    "limit_id": "queries",
    "payment_id": "pay-1",
    "transfer_id": "trf_1",
    "operation": "deduct",
    "key": "k",
    "digest": "0",
    "name": "app.css",
    "token": "none",
    "export_id": "none",
    "upload_id": "none",
    "plan_id": "none",
    "package_id": "none",
    "webhook_id": "none",
    "checkout_id": "none",
    "key_id": "00000000",
    "user_id": "usr_00000000000000000000",
    "team_id": "team_00000000000000000000",
    "invitation_id": "inv_00000000000000000000",
    "subscription_id": "none",
    "month": "2026-10",
    "version": "1",
}


def tables() -> tuple[dict[str, dict[str, bool]], ...]:
    """The tables of the page: for routes, for those of people, and for pages, who is let in."""
    text = PAGE.partition("<!-- scopes: begin -->")[2].partition("<!-- scopes: end -->")[0]
    return tuple(rows(table) for table in text.strip().split("\n\n"))


def rows(table: str) -> dict[str, dict[str, bool]]:
    head, _, *lines = ([cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in table.split("\n"))
    return {line[0]: {name: cell == "yes" for name, cell in zip(head[1:], line[1:], strict=True)} for line in lines}


BY_ROUTE, OF_PEOPLE, BY_PAGE, PERSONAL = tables()
NOBODY = httpx.Client(trust_env=False, verify=PLAIN, timeout=60)
EXPLANATIONS = BY_PAGE.pop("explanations within pages")


@pytest.fixture(scope="module")
def serving(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of its own, whose answers are many and quick."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("scopes")) as running:
        yield running
        all_leave()
        NOBODY.close()


@pytest.fixture(scope="module")
def account(serving: Service) -> str:
    return staged(serving)


@pytest.fixture(scope="module")
def keys(serving: Service) -> dict[str, str]:
    """A key for each scope alone."""
    return {scope: create_key(serving.conninfo, f"only {scope}", [scope]) for scope in SCOPES}


# The table ----------------------------------------------------------------------------------------------------------


def test_the_page_has_the_table_that_the_command_prints(serving: Service) -> None:
    text = PAGE.partition("<!-- scopes: begin -->\n\n")[2].partition("\n<!-- scopes: end -->")[0]
    assert text == matrix() == command(serving.conninfo, "keys", "scopes").out


def test_the_table_is_complete(serving: Service) -> None:
    """Against the OpenAPI document, which says the same, and against the routes of the pages."""
    document = serving.get("/openapi.json").json()["paths"]
    served = {f"{method.upper()} {path}": found for path, item in document.items() for method, found in item.items()}
    assert {**BY_ROUTE, **OF_PEOPLE}.keys() == served.keys() == {**ROUTES, **PEOPLE}.keys()
    for name, found in served.items():
        if name in PEOPLE:
            assert OF_PEOPLE[name] == lets_in(found["security"])
            continue
        said = {scope for one in found.get("security", ()) for scope in one["key"]}
        allowed = {scope for scope in MEANINGS if BY_ROUTE[name][scope] and not BY_ROUTE[name]["no key"]}
        assert said == (allowed if any(BY_ROUTE[name].values()) else {"admin"}), name
        assert all(f"`{scope}`" in found["description"] for scope in said), name
    pages = {
        f"{method} {route.path}"
        for route in dashboard().routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert {*BY_PAGE, *PERSONAL} == pages == PAGES.keys()
    assert {name for name, access in PAGES.items() if access.person} == PERSONAL.keys()
    assert set(SCOPES) == {*MEANINGS, "admin"}


def lets_in(security: list[dict[str, list[str]]]) -> dict[str, bool]:
    """Whom the document lets in at a route of people, by the columns of the table."""
    own = [scope for one in security for scope in one.get("own_key", ())]
    keys = {own_key(scope): not security or scope in own for scope in OWN_SCOPES}
    return {"no session": not security, "session of a person": not security or {"session": []} in security, **keys}


# Routes -------------------------------------------------------------------------------------------------------------


def asked(serving: Service, name: str, account: str, **headers: str) -> httpx.Response:
    """A request that is wrong: to a route that reads a body by its body, and else by its parameters."""
    method, path = name.split()
    url = serving.url + path.format(account_id=account, **VALUES) + TWICE
    return NOBODY.request(method, url, content=None if method == "GET" else b"{", headers=headers)


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_asks_for_a_key_and_its_scope_first(
    serving: Service, account: str, keys: dict[str, str], name: str
) -> None:
    allowed = BY_ROUTE[name]
    nobody = asked(serving, name, account)
    if allowed["no key"]:
        expected = 404 if "webhooks" in name else 422 if "revocations" in name else 200
        assert nobody.status_code == expected  # there is no such provider; the parameter is none
        return
    refused(nobody, 401, "unauthenticated")
    assert nobody.headers["www-authenticate"] == "Bearer"
    refused(asked(serving, name, account, Authorization="Basic YTpi"), 401, "unauthenticated")
    for scope, key in keys.items():
        answer = asked(serving, name, account, Authorization=f"Bearer {key}")
        if scope == "admin" or allowed[scope]:
            assert answer.status_code in {400, 422}, (scope, answer.text)
        else:
            wanted = refused(answer, 403, "missing_scope")["scope"]
            assert allowed[wanted] if any(allowed.values()) else (wanted == "admin"), scope


def test_what_is_not_there_is_told_to_those_with_a_key(serving: Service) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        for path in ("/v1", "/v1/", "/v1/nothing", "/v1/accounts/a/b/c", "/v1/accounts//balance"):
            answer = NOBODY.request(method, serving.url + path)
            assert answer.status_code == 401, (method, path)
            assert serving.client.request(method, path).status_code == 404, (method, path)
    assert NOBODY.put(f"{serving.url}/v1/batch").status_code == 401
    assert serving.client.put("/v1/batch").status_code == 405
    assert NOBODY.options(f"{serving.url}/v1/batch").status_code == 204
    assert NOBODY.options(f"{serving.url}/v1/nothing").status_code == 401


def test_a_stranger_makes_the_service_read_nothing(serving: Service) -> None:
    """Neither a query that takes long to validate, nor a body."""
    long = "&".join(map(str, range(10_000)))
    answer = NOBODY.get(f"{serving.url}/v1/accounts/x/balance?{long}")
    refused(answer, 401, "unauthenticated")
    assert len(answer.content) < 1_000
    refused(serving.client.get(f"/v1/accounts/x/balance?{long}"), 414, "query_too_large")
    refused(serving.client.post(f"/v1/batch?{long}", json={}), 414, "query_too_large")
    for sent in (secret := new_secret().text, secret.replace("_", "%5F"), f"Bearer+{secret}"):
        for path in ("/v1/accounts/x/balance", "/v1/keys"):
            answer = serving.client.get(f"{path}?key={sent}")
            refused(answer, 422, "validation_failed")
            assert secret not in answer.text


# Batches ------------------------------------------------------------------------------------------------------------


def test_each_item_of_a_batch_needs_its_scope(serving: Service, keys: dict[str, str]) -> None:
    """And a refused one does not stop its neighbours; in an atomic batch it is the refused command."""
    spends = {"deduct", "hold", "capture", "extend", "release", "reverse", "meter"}
    for scope in ("ledger:write", "ledger:manage", "admin"):
        wanted = asks(staged(serving))
        headers = {"Authorization": f"Bearer {keys[scope]}"}
        items = [ask.item("k", colour="red") for ask in wanted.values()]
        answer = serving.client.post("/v1/batch", json={"commands": items}, headers=headers).json()["results"]
        for op, result in zip(wanted, answer, strict=True):
            mine = scope == "admin" or (op in spends) == (scope == "ledger:write")
            assert result["status"] == (422 if mine else 403), (scope, op)
            assert mine or result["code"] == "missing_scope"


def test_a_refused_item_stops_no_neighbour_but_an_atomic_batch(serving: Service, keys: dict[str, str]) -> None:
    account = staged(serving)
    headers = {"Authorization": f"Bearer {keys['ledger:write']}"}
    deduct, grant = asks(account)["deduct"], asks(account)["grant"]
    items = [deduct.but(amount=1).item("a"), grant.item("b"), deduct.but(amount=2).item("c")]
    answer = serving.client.post("/v1/batch", json={"atomic": True, "commands": items}, headers=headers)
    assert refused(answer, 409, "batch_refused", index=1)["cause"]["scope"] == "ledger:manage"
    results = serving.client.post("/v1/batch", json={"commands": items}, headers=headers).json()["results"]
    assert [result["status"] for result in results] == [201, 403, 201]


def test_old_keys_that_wrote_keep_both(database: str) -> None:
    """What the migration does to keys of before the division."""
    sql = MIGRATION.read_text().partition("\n\n")[0]
    created = [create_key(database, name, scopes) for name, scopes in OLD.items()]
    assert len(created) == 4
    with psycopg.connect(owner(database)) as connection:
        connection.execute(sql.encode())
        found: dict[str, list[str]] = dict(connection.execute("SELECT name, scopes FROM people.api_keys").fetchall())
    assert found == OLD | {"writes": ["ledger:read", "ledger:write", "ledger:manage"]}


OLD = {
    "writes": ["ledger:read", "ledger:write"],
    "reads": ["ledger:read"],
    "all": ["admin"],
    "new": ["ledger:write", "ledger:manage"],
}


# Pages --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def visitors(serving: Service, account: str) -> dict[str, httpx.Client]:
    """Somebody for each column, and an operator who has every scope."""
    found: dict[str, httpx.Client] = {"no session": guest(serving), "account holder": person(serving, account)}
    for scope in MEANINGS:
        found[scope] = operator(serving, create_key(serving.conninfo, "looks", sorted({"ledger:read", scope})))
    found["admin"] = operator(serving, ADMIN_KEY)
    found["another holder"] = person(serving, staged(serving))
    for client in found.values():
        client.follow_redirects = False
    return found


@pytest.mark.parametrize("name", BY_PAGE)
def test_a_page_asks_who_opens_it_first(
    serving: Service, account: str, visitors: dict[str, httpx.Client], name: str
) -> None:
    method, path = name.split()
    url = ROOT + path.format(account_id=account, **VALUES) + TWICE
    statuses = {who: client.request(method, url).status_code for who, client in visitors.items()}
    allowed = BY_PAGE[name]
    everybody, own = allowed["no session"], "{account_id}" in path
    expected = {
        "no session": 422 if everybody else 401 if method == "POST" else 303,
        "account holder": 422 if allowed["account holder"] else 404,
        "another holder": 422 if allowed["account holder"] and not own else 404,
        "admin": 422,
    }
    expected |= {scope: 422 if allowed[scope] or allowed["ledger:read"] else 403 for scope in MEANINGS}
    assert statuses == expected


@pytest.mark.parametrize("name", PERSONAL)
def test_a_page_of_a_person_is_for_nobody_else(visitors: dict[str, httpx.Client], name: str) -> None:
    """Neither for holders whom the product sent, nor for operators, whatever their key may do."""
    method, path = name.split()
    url = ROOT + path.format(**VALUES) + TWICE
    statuses = {who: client.request(method, url).status_code for who, client in visitors.items()}
    assert statuses == {**dict.fromkeys(statuses, 404), "no session": 401 if method == "POST" else 303}


def test_explanations_within_pages(serving: Service, account: str, visitors: dict[str, httpx.Client]) -> None:
    """On the page of usage, for the holder of the account and those who may audit."""
    entry = serving.get(f"/v1/accounts/{account}/history", type="deduction", min_position=1).json()["entries"][0]
    for who, client in visitors.items():
        if who in {"no session", "another holder"}:
            continue
        page = client.get(path_of(account, "usage"), params={"open": entry["sequence"]})
        assert page.status_code == 200
        expected = EXPLANATIONS.get(who, who == "admin")
        assert ("show which grants paid" in page.text) == expected, who
        assert ('<tr class="why">' in page.text) == expected, who
        events = path_of(account, "events")
        assert (f'href="{events}"' in client.get(path_of(account)).text) == (who in {"audit:read", "admin"}), who


def test_operators_act_with_the_scopes_of_their_keys(
    serving: Service, account: str, visitors: dict[str, httpx.Client]
) -> None:
    links = {
        who: set(re.findall(r'/(grant|deduct|grants|freeze)"', client.get(path_of(account)).text))
        for who, client in visitors.items()
        if who not in {"no session", "another holder"}
    }
    expected: dict[str, set[str]] = {who: set() for who in links} | {
        "ledger:write": {"deduct"},
        "ledger:manage": {"grant", "grants", "freeze"},
        "admin": {"deduct", "grant", "grants", "freeze"},
    }
    assert links == expected
    form = path_of(account, "deduct")
    plain = filled_in(visitors["ledger:write"], form, amount="1", reason="r")
    explained = filled_in(visitors["admin"], form, amount="1", reason="r")
    assert (plain.status_code, explained.status_code) == (200, 200)
    assert ("grt_3" in plain.text, "grt_3" in explained.text) == (False, True)


def test_a_page_reads_nothing_before_it_knows_who_asks(serving: Service, account: str) -> None:
    """An unknown time zone is told to nobody who may not see the page."""
    looks = operator(serving, create_key(serving.conninfo, "looks", ["ledger:read"]))
    path = path_of(account, "grant")
    assert looks.get(path, params={"tz": "Nowhere/At_All"}).status_code == 403
    assert operator(serving).get(path, params={"tz": "Nowhere/At_All"}).status_code == 422


def test_an_event_names_the_key_that_managed(serving: Service, keys: dict[str, str], account: str) -> None:
    ask: Ask = asks(account)["grant"]
    headers = {"Authorization": f"Bearer {keys['ledger:manage']}", "Idempotency-Key": "managed"}
    answer = serving.client.post(ask.path, json=ask.body, headers=headers)
    assert answer.status_code == 201
    newest = serving.get(f"/v1/accounts/{account}/events", after_version=answer.json()["version"] - 1).json()
    assert newest["events"][0]["metadata"]["actor"] == f"key:{prefix_of(keys['ledger:manage'])}"
