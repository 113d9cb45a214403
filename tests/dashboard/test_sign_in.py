"""Sign-in and sign-out: links open once, sessions read only their own account, forms need their token."""

import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from api.dashboard import sign_in
from api.dashboard.sign_in import SHOWN_AS_OVER
from people.api_keys import create_key, revoke_key
from tests.api.stage import eventually
from tests.dashboard.guests import ROOT, guest, operator, person, portal_link, signing_in, token_in
from tests.keys import prefix_of
from tests.postgres import owner
from tests.service import ADMIN_KEY, Service


def account_page(account: str) -> str:
    return f"{ROOT}/accounts/{account}"


# A person -----------------------------------------------------------------------------------------------------------


def test_a_link_opens_one_account_and_only_once(service: Service) -> None:
    account = service.open_account(permanent=1_234)
    link = portal_link(service, account)
    first, second = guest(service), guest(service)
    page = first.get(link)
    assert (page.status_code, page.url.path) == (200, account_page(account))
    assert ">1,234<" in page.text
    again = second.get(link)
    assert again.status_code == 410
    assert "This link was used already" in again.text
    assert second.get(account_page(account)).url.path == f"{ROOT}/sign-in"


def test_of_many_who_open_a_link_at_once_one_comes_in(service: Service) -> None:
    link = portal_link(service, service.open_account())
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: guest(service).get(link).status_code, range(8)))
    assert sorted(statuses) == [200] + [410] * 7


def test_whoever_only_looks_ahead_opens_nothing(service: Service) -> None:
    link = portal_link(service, service.open_account())
    assert guest(service).head(link).status_code == 204
    assert guest(service).get(link, headers={"Sec-Purpose": "prefetch"}).status_code == 204
    for part in ("image", "iframe", "empty"):
        assert guest(service).get(link, headers={"Sec-Fetch-Dest": part}).status_code == 204
    assert guest(service).get(link).status_code == 200


def test_a_link_of_before_the_renaming_is_sent_on_and_not_spent(service: Service) -> None:
    link = portal_link(service, service.open_account())
    old = link.replace("/portal/", "/come-in/")
    for method in ("HEAD", "GET", "GET"):
        sent_on = guest(service).request(method, old, follow_redirects=False)
        assert (sent_on.status_code, sent_on.headers["location"]) == (308, link.removeprefix(service.url))
    assert guest(service).get(old).status_code == 200
    assert guest(service).get(old).status_code == 410


def test_a_link_is_sent_on_to_nowhere_else(service: Service) -> None:
    for token in ("..%5C..%5Cx", "%3Fx=1", "%09x", "https:%5C%5Cx.example"):
        sent_on = guest(service).get(f"{ROOT}/come-in/{token}", follow_redirects=False)
        assert re.fullmatch(rf"{ROOT}/portal/[\w.%:-]+", sent_on.headers["location"]), token


def test_pages_of_an_odd_account_link_to_themselves(service: Service) -> None:
    account = "50%41 & é? #1"
    assert service.post("/v1/accounts", {"account_id": account}).status_code == 201
    user = person(service, account)
    page = user.get(f"{ROOT}/")
    assert page.url.path == account_page(account)
    assert page.text.count('aria-current="page"') == 1
    [download] = re.findall(r'href="([^"?]+\.csv)', user.get(page.url.join(f"{page.url.raw_path.decode()}/usage")).text)
    assert user.get(download).headers["content-type"].startswith("text/csv")


def test_an_old_link_opens_nothing_and_says_where_to_go(service: Service) -> None:
    account = service.open_account()
    link = portal_link(service, account, return_url="https://product.example/credits")
    _in_the_past(service, account, "link_expires_at")
    answer = guest(service).get(link)
    assert answer.status_code == 410
    assert "This link is not valid" in answer.text
    assert 'href="https://product.example/credits"' in answer.text
    assert guest(service).get(f"{ROOT}/portal/never-made").status_code == 410


def test_another_account_is_not_there(service: Service) -> None:
    mine, other = service.open_account(), service.open_account()
    user = person(service, mine)
    for path in ("", "/updates", "/usage", "/usage.csv", "/billing", "/events", "/nothing"):
        answer = user.get(account_page(other) + path)
        assert answer.status_code == 404, path
        assert other not in answer.text
    for path in ("/accounts", "/statistics", "/service"):
        assert user.get(ROOT + path).status_code == 404, path
    assert user.get(account_page("nobody-has-this")).status_code == 404


def test_a_session_that_is_over_says_so_and_where_to_go(service: Service) -> None:
    account = service.open_account()
    user = person(service, account, return_url="https://product.example/")
    _in_the_past(service, account, "expires_at")
    answer = user.get(account_page(account))
    assert answer.status_code == 401
    assert "This session is over" in answer.text
    assert 'href="https://product.example/"' in answer.text
    assert user.get(account_page(account) + "/updates").status_code == 401


def test_a_session_lasts_as_long_as_was_asked(service: Service) -> None:
    account = service.open_account()
    answer = service.post("/v1/portal_sessions", {"account_id": account, "expires_in_seconds": 60})
    assert answer.json()["link_expires_at"] == answer.json()["expires_at"]
    cookie = guest(service).get(answer.json()["url"], follow_redirects=False).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert f"Path={ROOT}" in cookie
    assert "Secure" not in cookie  # of plain http, here
    kept = int(re.findall(r"Max-Age=(\d+)", cookie)[0]) - SHOWN_AS_OVER.total_seconds()
    assert 0 < kept <= 60, "its user is told for a while that the session is over"


def test_a_sign_out_ends_the_session_everywhere(service: Service) -> None:
    account = service.open_account()
    user = person(service, account)
    thief = guest(service)
    thief.cookies = httpx.Cookies(user.cookies)
    assert thief.get(account_page(account)).status_code == 200
    token = token_in(user.get(account_page(account)))
    assert "You are signed out" in user.post(f"{ROOT}/sign-out", data={"csrf": token}).text
    assert thief.get(account_page(account)).status_code == 401
    assert user.get(account_page(account)).url.path == f"{ROOT}/sign-in"


def test_links_are_only_made_for_accounts_that_are_there_by_keys_that_may(service: Service) -> None:
    account = service.open_account()
    assert service.post("/v1/portal_sessions", {"account_id": "nobody-at-all"}).json()["code"] == "account_not_found"
    for key, status in (("ledger:write", 403), ("ledger:read", 403), ("portal:write", 201)):
        headers = {"Authorization": f"Bearer {create_key(service.conninfo, 'for a test', [key])}"}
        assert service.post("/v1/portal_sessions", {"account_id": account}, **headers).status_code == status


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"return_url": "javascript:alert(1)"}, "return_url"),
        ({"return_url": "//elsewhere.example"}, "return_url"),
        ({"return_url": "https://a.example/ b"}, "return_url"),
        ({"expires_in_seconds": 59}, "expires_in_seconds"),
        ({"expires_in_seconds": 86_401}, "expires_in_seconds"),
        ({"expires_in_seconds": "60"}, "expires_in_seconds"),
        ({"scope": "admin"}, "scope"),
    ],
)
def test_a_wrong_request_for_a_link_is_refused_by_name(service: Service, fields: dict[str, object], field: str) -> None:
    answer = service.post("/v1/portal_sessions", {"account_id": service.open_account(), **fields})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


# An operator --------------------------------------------------------------------------------------------------------


def test_an_operator_comes_in_with_a_key_and_stays_as_long_as_it_is_good(service: Service) -> None:
    key = create_key(service.conninfo, "looking", ["ledger:read"])
    user = operator(service, key)
    account = service.open_account(permanent=7)
    assert user.get(account_page(account)).status_code == 200
    assert key not in str(user.cookies)
    revoke_key(service.conninfo, prefix_of(key))
    eventually(lambda: user.get(account_page(account)).status_code == 401)


@pytest.mark.parametrize("scope", ["ledger:write", "audit:read", "portal:write"])
def test_a_key_that_may_not_look_does_not_come_in(service: Service, scope: str) -> None:
    answer = signing_in(guest(service), create_key(service.conninfo, "not for looking", [scope]))
    assert answer.status_code == 401
    assert "lacks the scope ledger:read" in answer.text


def test_wrong_keys_are_slow_and_counted(service: Service) -> None:
    before = _sign_ins(service)
    answer = signing_in(guest(service), "clk_wrong_wrong")
    assert answer.status_code == 401
    assert "This key is unknown, expired or revoked." in answer.text
    assert answer.elapsed.total_seconds() >= sign_in.WRONG_KEY_PAUSE
    assert "clk_wrong" not in answer.text
    assert _sign_ins(service) == before + 1


def test_many_wrong_keys_at_once_are_turned_away(service: Service) -> None:
    with ThreadPoolExecutor(30) as threads:
        answers = list(threads.map(lambda n: signing_in(guest(service), f"wrong-{n}").status_code, range(30)))
    assert set(answers) == {401, 429}
    assert answers.count(401) >= sign_in.MAX_WAITING


def _sign_ins(service: Service) -> float:
    found = re.findall(
        r'credit_ledger_sign_ins_total\{by="key",outcome="refused"\} ([\d.]+)', service.get("/metrics").text
    )
    return float(found[0]) if found else 0.0


# Both ---------------------------------------------------------------------------------------------------------------


def test_a_form_without_its_token_is_not_taken(service: Service) -> None:
    account = service.open_account()
    user, other = person(service, account), person(service, account)
    assert user.post(f"{ROOT}/sign-out").status_code == 415
    for token in ("", "0" * 64, token_in(other.get(account_page(account)))):
        assert user.post(f"{ROOT}/sign-out", data={"csrf": token}).status_code == 403
    assert user.get(account_page(account)).status_code == 200
    stranger = guest(service)
    assert stranger.post(f"{ROOT}/sign-in", data={"key": ADMIN_KEY, "csrf": "0" * 64}).status_code == 403


def test_forms_have_limits(service: Service) -> None:
    user = person(service, service.open_account())
    assert user.post(f"{ROOT}/sign-out", data={"csrf": "0" * 20_000}).status_code == 413
    many = user.post(f"{ROOT}/sign-out", data={f"field{n}": "x" for n in range(40)})
    assert many.status_code == 400
    broken = user.post(
        f"{ROOT}/sign-out", content=b"csrf=%ff", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert broken.status_code == 400


def test_every_page_forbids_what_is_not_ours(service: Service) -> None:
    account = service.open_account()
    user = person(service, account)
    policies = set()
    for path in (account_page(account), account_page(account), f"{ROOT}/sign-in", f"{ROOT}/nothing"):
        headers = user.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        policies.add(headers["content-security-policy"])
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert len(policies) == 4  # no nonce twice


def test_what_pages_link_to_is_there_and_is_kept(service: Service) -> None:
    user = guest(service)
    page = user.get(f"{ROOT}/sign-in")
    paths = re.findall(rf'"({ROOT}/static/[^"]+)"', page.text)
    assert len(paths) == 3
    for path in paths:
        answer = user.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert user.get(f"{ROOT}/static/0/secrets.txt").status_code == 404


def test_stylesheet_and_script_are_small(service: Service) -> None:
    page = guest(service).get(f"{ROOT}/sign-in").text
    sizes = {
        kind: len(guest(service).get(path).content)
        for path, kind in re.findall(rf'"({ROOT}/static/[^"]+\.(css|js))"', page)
    }
    assert sizes["css"] < 20_000
    assert sizes["js"] < 15_000


def test_what_goes_wrong_is_a_page(service: Service) -> None:
    user = person(service, service.open_account())
    nothing = user.get(f"{ROOT}/nothing")
    assert nothing.status_code == 404
    assert "This page does not exist" in nothing.text
    assert user.put(f"{ROOT}/sign-out").status_code == 405
    assert user.get(f"{ROOT}").status_code == 200  # home


def _in_the_past(service: Service, account: str, column: str) -> None:
    with psycopg.connect(owner(service.conninfo)) as connection:
        connection.execute(
            f"UPDATE people.sessions SET {column} = now() - interval '1 second' WHERE account_id = %s".encode(),
            [account],
        )


def test_there_is_no_page_of_an_account_that_cannot_be(service: Service) -> None:
    clerk = operator(service)
    for page in ("", "/usage", "/grant", "/updates", "/usage.csv"):
        assert clerk.get(f"{ROOT}/accounts/a%00b{page}").status_code == 404, page
