"""Prices over HTTP: books are published, commands are priced by the one in force, and estimated exactly."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

import httpx
import pytest

from tests.api.conftest import under_contract
from tests.api.stage import Json, field_errors, refused
from tests.postgres import TestServers
from tests.service import Service, service_here

TOKENS: Json = {
    "provider": "openai",
    "model": "gpt-5*",
    "charges": [
        {"charge": "per_unit", "of": "input_tokens", "credits": "1.5", "per": 1_000},
        {"charge": "per_unit", "of": "output_tokens", "credits": 6, "per": 1_000},
    ],
    "minimum": "0.1",
}
IMAGES: Json = {"metric": "image", "charges": [{"charge": "per_unit", "of": "quantity", "credits": "1/3"}]}
GIFT: Json = {"metric": "gift", "charges": [{"charge": "flat", "credits": 0}], "free": ["quantity"]}
CHAT: Json = {"provider": "openai", "model": "gpt-5-mini", "input_tokens": 1_200, "output_tokens": 800}
"""1.8 + 4.8 credits."""


@pytest.fixture(scope="module")
def shop(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose price book has only what these tests publish."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("shop")) as running:
        under_contract(running)
        yield running


def publish(shop: Service, *rates: Json, **more: object) -> httpx.Response:
    return shop.client.post("/v1/price_books", json={"rates": rates, **more})


def opened(shop: Service, account: str, credits: int = 1_000) -> str:
    assert shop.post("/v1/accounts", {"account_id": account, "signup_credits": credits}).status_code == 201
    return f"/v1/accounts/{account}"


def test_a_price_is_estimated_held_captured_and_kept(shop: Service) -> None:
    assert shop.get("/v1/price_books").json() == {"in_force": None, "price_books": []}
    account = opened(shop, "editor")
    nothing = shop.post(f"{account}/deductions", {"priced": True, "usage": CHAT, "task_id": "early"})
    assert refused(nothing, 422, "price_not_found")["why"] == "no_book"
    assert nothing.json()["price_of"] == "usage"

    book = publish(shop, TOKENS, IMAGES, GIFT)
    assert (book.status_code, book.json()["version"], book.json()["created_by"]) == (201, 1, "key:admin")
    again = publish(shop, TOKENS, IMAGES, GIFT)
    assert (again.status_code, again.json()) == (200, book.json())
    assert shop.get("/v1/price_books/1").json() == book.json()
    [listed] = shop.get("/v1/price_books").json()["price_books"]
    assert listed["rate_count"] == 3

    estimate = shop.post("/v1/estimates", {"account_id": "editor", "usage": CHAT}).json()
    assert (estimate["credits"], estimate["exact"], estimate["price_book"]) == (7, "6.6", 1)
    assert (estimate["sufficient"], estimate["shortfall"], estimate["refusal"]) == (True, 0, None)
    assert [line["credits"] for line in estimate["lines"]] == ["1.8", "4.8"]

    held = shop.post(f"{account}/holds", {"priced": True, "usage": CHAT, "task_id": "job"}, key="hold").json()
    assert held["held"] == 7
    spent = {**CHAT, "output_tokens": 2_000}
    body = {"priced": True, "usage": spent, "on_excess": "draw"}
    captured = shop.post(f"{account}/holds/{held['hold_id']}/captures", body, key="capture").json()
    assert (captured["captured"], captured["price"]["exact"]) == (14, "13.8")
    assert captured["balance"]["available"] == 1_000 - 14

    [event] = [one for one in shop.get(f"{account}/events").json()["events"] if one["type"] == "HoldCaptured"]
    price = event["data"]["price"]
    assert (price["book"], price["sha256"], price["exact"]) == (1, book.json()["sha256"], "13.8")
    explained = shop.get(f"{account}/explain", version=event["version"]).json()
    assert "= 13.8 credits, rounded up to 14." in " ".join(explained["why"])
    assert not explained["violations"]


def test_a_retry_gives_the_price_of_the_first_time(shop: Service) -> None:
    """Whatever the book says since: dearer, cheaper, or nothing at all."""
    account = opened(shop, "retrying")
    publish(shop, TOKENS, IMAGES)
    body = {"priced": True, "usage": {"metric": "image", "quantity": 7}, "task_id": "pictures"}
    first = shop.post(f"{account}/deductions", body)
    assert (first.status_code, first.json()["deducted"], first.json()["price"]["exact"]) == (201, 3, "7/3")
    for rates in ([{**IMAGES, "minimum": 900}], [TOKENS], [TOKENS, IMAGES, GIFT]):
        publish(shop, *rates)
        for _ in range(2):
            replay = shop.post(f"{account}/deductions", body)
            assert (replay.status_code, replay.json()) == (200, first.json())
        batch = [{"op": "deduct", "account_id": "retrying", **body}]
        for atomic in (False, True):
            [answer] = shop.post("/v1/batch", {"commands": batch, "atomic": atomic}).json()["results"]
            assert (answer["deducted"], answer["idempotent_replayed"]) == (3, True)
        other = shop.post(f"{account}/deductions", {**body, "usage": {"metric": "image", "quantity": 8}})
        assert refused(other, 422, "idempotency_key_reused")["fields"] == ["usage"]
    plain = {"amount": 3, "usage": body["usage"], "task_id": "pictures"}
    assert set(refused(shop.post(f"{account}/deductions", plain), 422, "idempotency_key_reused")["fields"]) == {
        "amount",
        "priced",
    }


def test_a_version_takes_effect_at_its_moment_and_never_before(shop: Service) -> None:
    now = datetime.now(UTC)
    past = publish(shop, TOKENS, effective_at=(now - timedelta(seconds=5)).isoformat())
    assert refused(past, 409, "effective_in_the_past")["effective_at"]
    publish(shop, IMAGES)
    later = publish(shop, {**IMAGES, "minimum": 50}, effective_at=(now + timedelta(days=3)).isoformat()).json()
    books = shop.get("/v1/price_books").json()
    assert (books["in_force"], books["price_books"][0]["version"]) == (later["version"] - 1, later["version"])
    usage = {"metric": "image", "quantity": 3}
    for days, credits in ((0, 1), (2, 1), (4, 50)):
        at = (datetime.now(UTC) + timedelta(days=days)).isoformat()
        assert shop.post("/v1/estimates", {"usage": usage, "at": at}).json()["credits"] == credits
    assert refused(shop.post("/v1/estimates", {"usage": usage, "at": "2020-01-01T00:00:00Z"}), 422, "price_not_found")


def test_usage_that_occurred_before_a_change_has_the_price_of_then(shop: Service) -> None:
    account = opened(shop, "late")
    publish(shop, {**IMAGES, "minimum": 20})
    then = datetime.now(UTC).isoformat()
    publish(shop, {**IMAGES, "minimum": 30})
    for more, credits in (({}, 30), ({"occurred_at": then}, 20)):
        body = {"priced": True, "usage": {"metric": "image"}, "task_id": f"t{credits}", **more}
        assert shop.post(f"{account}/deductions", body).json()["deducted"] == credits
    old = {"priced": True, "usage": {"metric": "image"}, "task_id": "old", "occurred_at": "2020-01-01T00:00:00Z"}
    refused(shop.post(f"{account}/deductions", old), 422, "occurred_at_out_of_bounds")


@pytest.mark.parametrize("seed", range(3))
def test_an_estimate_is_what_is_then_deducted_under_every_order_of_rates(shop: Service, seed: int) -> None:
    chance = Random(seed)
    account = opened(shop, f"estimated-{seed}", 10**9)
    rates = [TOKENS, IMAGES, *(_random_rate(chance, number) for number in range(5))]
    commands: list[Json] = []
    usages = [_random_usage(chance) for _ in range(12)]
    wanted: list[int | str] = []
    for turn in range(2):
        publish(shop, *chance.sample(rates, len(rates)))
        for number, usage in enumerate(usages):
            found = shop.post("/v1/estimates", {"account_id": f"estimated-{seed}", "usage": usage}).json()
            wanted.append(found["code"] if "code" in found else found["credits"])
            if "code" not in found:
                assert sum(Fraction(line["credits"]) for line in found["lines"]) == Fraction(found["exact"])
                assert found["credits"] - 1 < Fraction(found["exact"]) <= found["credits"]
            task = f"{turn}-{number}"
            commands.append(
                {"op": "deduct", "account_id": f"estimated-{seed}", "priced": True, "usage": usage, "task_id": task}
            )
    assert wanted[: len(usages)] == wanted[len(usages) :]
    results = shop.post("/v1/batch", {"commands": commands}).json()["results"]
    got = [one.get("deducted", one.get("code")) for one in results]
    assert got == [one or "validation_failed" for one in wanted]
    total = sum(one for one in wanted if isinstance(one, int))
    assert shop.get(f"{account}/balance").json()["available"] == 10**9 - total


def _random_rate(chance: Random, number: int) -> Json:
    credits = chance.choice(["0.0025", "2/7", 3, "1.125"])
    charges: list[Json] = [
        {"charge": chance.choice(["per_unit", "package"]), "of": "quantity", "credits": credits, "per": 4}
    ]
    if chance.random() < 0.5:
        tiers = [{"up_to": 3, "credits": "0.5"}, {"credits": credits}]
        charges.append({"charge": chance.choice(["graduated", "volume"]), "of": "input_tokens", "tiers": tiers})
    return {"metric": f"metric-{number}", "model": chance.choice(["*", "gpt-5-mini", "gpt*"]), "charges": charges}


def _random_usage(chance: Random) -> Json:
    usage: Json = {"model": chance.choice(["gpt-5-mini", "other"]), "metric": f"metric-{chance.randrange(5)}"}
    usage["quantity"] = chance.choice([0, 1, 3, 4, 5, 1_001])
    return usage | ({"input_tokens": chance.choice([0, 3, 4, 99])} if chance.random() < 0.7 else {})


def test_an_estimate_says_whether_the_account_could_pay(shop: Service) -> None:
    publish(shop, TOKENS, IMAGES, GIFT)
    account = opened(shop, "poor", 5)
    poor = shop.post("/v1/estimates", {"account_id": "poor", "usage": CHAT}).json()
    assert (poor["credits"], poor["balance"]["available"], poor["sufficient"], poor["shortfall"]) == (7, 5, False, 2)
    assert (poor["refusal"]["code"], poor["refusal"]["required"], poor["limits"]) == ("insufficient_credits", 7, [])
    limits = [{"limit_id": "month", "amount": 2, "period": {"every": "month"}}, {"limit_id": "all", "amount": 100}]
    assert shop.post(f"{account}/limits", {"source": "team", "limits": limits}, key="limits").status_code == 201
    found = shop.post("/v1/estimates", {"account_id": "poor", "usage": CHAT}).json()
    binds = {one["limit_id"]: (one["headroom"], one["binds"]) for one in found["limits"]}
    assert binds == {"month": (2, True), "all": (100, False)}
    assert found["refusal"]["code"] == "limit_reached"
    gift = shop.post("/v1/estimates", {"account_id": "poor", "usage": {"metric": "gift"}}).json()
    assert (gift["credits"], gift["sufficient"], gift["refusal"]) == (0, True, None)
    assert refused(shop.post("/v1/estimates", {"account_id": "nobody", "usage": CHAT}), 404, "account_not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "amount"),
        ({"priced": True}, "usage"),
        ({"priced": True, "amount": 3, "usage": CHAT}, "amount"),
        ({"priced": False}, "amount"),
        ({"priced": 1, "usage": CHAT, "amount": 1}, "priced"),
        ({"amount": None}, "amount"),
    ],
)
def test_amount_or_price(shop: Service, body: Json, field: str) -> None:
    account = opened(shop, f"strict-{abs(hash(str(body)))}")
    for path in ("deductions", "holds"):
        assert field_errors(shop.post(f"{account}/{path}", body, key="k")).keys() == {field}


@pytest.mark.parametrize(
    ("rates", "field"),
    [
        ([], "rates"),
        ([{}], "rates.0.charges"),
        ([{"charges": []}], "rates.0.charges"),
        ([{**GIFT, "charges": [{"charge": "free"}]}], "rates.0.charges.0"),
        ([{**GIFT, "charges": [{"charge": "flat", "credits": 0.5}]}], "rates.0.charges.0.flat.credits"),
        ([{**GIFT, "charges": [{"charge": "flat", "credits": "1e3"}]}], "rates.0.charges.0.flat.credits"),
        ([{**GIFT, "charges": [{"charge": "flat", "credits": -1}]}], "rates.0.charges.0.flat.credits"),
        ([{**GIFT, "metric": "a**b"}], "rates.0.metric"),
        ([{**GIFT, "free": ["tokens"]}], "rates.0.free.0"),
        ([GIFT, IMAGES, GIFT], "body"),
        ([{**GIFT, "model": "a*"}, {**GIFT, "model": "*a"}], "body"),
    ],
)
def test_what_is_no_price_book(shop: Service, rates: list[Json], field: str) -> None:
    before = shop.get("/v1/price_books").json()
    assert field_errors(publish(shop, *rates)).keys() == {field}
    assert shop.get("/v1/price_books").json() == before


def test_tiers_must_rise_to_one_without_an_end(shop: Service) -> None:
    def of(*ends: int | None) -> dict[str, Any]:
        tiers = [{"up_to": end, "credits": 1} for end in ends]
        return {"charges": [{"charge": "volume", "of": "quantity", "tiers": tiers}]}

    for ends in ((1,), (1, 1, None), (2, 1, None), (None, None), (None, 1)):
        assert field_errors(publish(shop, of(*ends)))
    assert publish(shop, of(1, 2, None)).status_code == 201
    primes = 999_999_937, 999_999_929, 999_999_893, 999_999_883, 999_999_797
    flat = [{"charge": "flat", "credits": f"1/{prime}"} for prime in primes]
    assert "40 digits" in str(field_errors(publish(shop, {"charges": flat})))


def test_no_such_version(shop: Service) -> None:
    refused(shop.get("/v1/price_books/999"), 404, "price_book_not_found")
