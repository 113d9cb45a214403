"""`expand`: what an answer names by its id comes with it, as the address of that thing answers it."""

import pytest

from ledger.domain.lots import MAX_DRAWS
from tests.api.stage import Ask, Json, field_errors, fresh, payment, provider_of, refused, staged
from tests.api.subscribed import subscribe
from tests.service import Service


def told(service: Service, path: str, **asked: object) -> Json:
    """The answer to a query, without its position."""
    answer = service.get(path, **asked)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return {name: part for name, part in found.items() if name not in {"as_of_position", "as_of", "account_id"}}


def alone(service: Service, account: str, thing_id: str, position: int) -> Json:
    """A grant or a hold, at the address of its own."""
    kind = {"grt": "grants", "hld": "holds"}[thing_id[:3]]
    return told(service, f"/v1/accounts/{account}/{kind}/{thing_id}", min_position=position)


def test_a_deduction_has_its_grants_as_they_are_after_it(service: Service) -> None:
    """Nobody asks for a position: the answer waits for what it is about, at once after the command."""
    account = staged(service)
    Ask("grant", account, {"kind": "permanent", "amount": 5, "description": "A gift"}).post(service, "g")
    made = Ask("deduct", account, {"amount": 40}).post(service, "d").json()
    path = f"/v1/accounts/{account}/deductions/{made['deduction_id']}"
    whole = service.get(path, expand="grants").json()
    assert whole["as_of_position"] >= made["position"]
    assert [draw.pop("grant")["spent"] for draw in whole["draws"]] == [60, 10]
    assert whole["draws"] == made["draws"]
    back = Ask("reverse", account, {}, {"deduction_id": made["deduction_id"]}).post(service, "r").json()
    for draw in service.get(path, expand="grants,hold").json()["draws"]:
        assert draw["grant"] == alone(service, account, draw["grant_id"], back["position"])
    plain = service.get(path).json()
    assert not {"as_of", "as_of_position", "hold"} & plain.keys()
    assert all("grant" not in draw for draw in plain["draws"])


def test_a_capture_has_its_hold_and_a_hold_its_captures(service: Service) -> None:
    account = staged(service)
    description = {"description": "A long task", "expires_in_seconds": 3600}
    held = Ask("hold", account, {"amount": 30, **description}).post(service, "h").json()
    hold_id = held["hold_id"]
    path, made = f"/v1/accounts/{account}/holds/{hold_id}", []
    assert told(service, path, expand="captures", min_position=held["position"])["captures"] == []
    for amount in (3, 4):
        ask = Ask("capture", account, {"amount": amount, "final": False}, {"hold_id": hold_id})
        made.append(ask.post(service, f"c{amount}").json())
    ids = [one["deduction_id"] for one in made]
    Ask("reverse", account, {"amount": 1}, {"deduction_id": ids[0]}).post(service, "r")
    last = Ask("deduct", account, {"amount": 1}).post(service, "other").json()["position"]
    whole = told(service, path, expand="captures", min_position=last)
    captures, left_out = whole.pop("captures"), whole.pop("captures_left_out")
    assert whole == told(service, path, min_position=last)
    assert captures == [told(service, f"/v1/accounts/{account}/deductions/{name}") for name in reversed(ids)]
    assert (left_out, captures[1]["reversed"]) == (0, 1)
    capture = service.get(f"/v1/accounts/{account}/deductions/{ids[0]}", expand="hold").json()
    assert capture["hold"] == alone(service, account, hold_id, last)
    assert capture["hold"]["description"] == "A long task"
    assert service.get(f"/v1/accounts/{account}/deductions/ded_4", expand="hold").json()["hold"] is None


def test_a_hold_has_its_newest_captures_and_the_number_of_the_others(service: Service) -> None:
    account = service.open_account(permanent=1_000)
    hold_id = Ask("hold", account, {"amount": 200}).post(service, "h").json()["hold_id"]
    asks = [
        Ask("capture", account, {"amount": 1, "final": False}, {"hold_id": hold_id}).item(f"c{n}") for n in range(103)
    ]
    results = service.post("/v1/batch", {"commands": asks}).json()["results"]
    path = f"/v1/accounts/{account}/holds/{hold_id}"
    whole = told(service, path, expand="captures", min_position=results[-1]["position"])
    assert [one["deduction_id"] for one in whole["captures"]] == [one["deduction_id"] for one in results[:2:-1]]
    assert (len(whole["captures"]), whole["captures_left_out"]) == (100, 3)


def test_as_many_grants_as_a_deduction_can_draw_from(service: Service) -> None:
    account = service.open_account()
    grants = [Ask("grant", account, {"kind": "permanent", "amount": 1}).item(f"g{n}") for n in range(MAX_DRAWS)]
    assert service.post("/v1/batch", {"commands": grants}).status_code == 200
    made = Ask("deduct", account, {"amount": MAX_DRAWS}).post(service, "all").json()
    whole = service.get(f"/v1/accounts/{account}/deductions/{made['deduction_id']}", expand="grants").json()
    found = {draw["grant_id"]: draw["grant"] for draw in whole["draws"]}
    assert len(found) == MAX_DRAWS
    assert all(one["grant_id"] == name and one["status"] == "spent" for name, one in found.items())


def test_payments_have_their_grants_and_subscriptions(service: Service) -> None:
    account = staged(service)
    name = subscribe(service, account)
    grants = [{"kind": "permanent", "amount": amount, "description": f"Part {amount}"} for amount in (4, 5)]
    bought = Ask("payment", account, payment("pay-2", provider_of(account), grants=grants)).post(service)
    position = Ask("deduct", account, {"amount": 80}).post(service, "d").json()["position"]
    path = f"/v1/accounts/{account}/payments"
    plain = told(service, path, min_position=position)["payments"]
    page = told(service, path, expand="grants,subscription", min_position=position)["payments"]
    [now] = service.get(f"/v1/accounts/{account}/subscription").json()["subscriptions"]
    assert [one.pop("subscription") for one in page] == [None, now, None]
    assert now["subscription_id"] == name
    parts = [part for one in page for part in one["grants"]]
    assert len(parts) >= 4
    for part in parts:
        assert part.pop("grant") == alone(service, account, part["grant_id"], position)
    assert page == plain
    assert {part["grant_id"] for part in plain[0]["grants"]} == {one["grant_id"] for one in bought.json()["grants"]}
    one = told(service, f"{path}/pay-2", expand="grants", min_position=position)
    assert [part["grant"]["description"] for part in one["grants"]] == ["Part 4", "Part 5"]
    assert "subscription" not in one


def test_a_page_of_expanded_payments_is_a_short_one(service: Service) -> None:
    account = service.open_account()
    asks = [Ask("payment", account, payment(f"p{n}", provider_of(account))).item() for n in range(102)]
    position = service.post("/v1/batch", {"commands": asks}).json()["results"][-1]["position"]
    path = f"/v1/accounts/{account}/payments"
    first = told(service, path, limit=1000, expand="grants", min_position=position)
    rest = told(service, path, limit=1000, expand="grants", cursor=first["next_cursor"])
    assert [len(page["payments"]) for page in (first, rest)] == [100, 2]
    assert rest["next_cursor"] is None
    assert len(told(service, path, limit=1000)["payments"]) == 102


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (
            "deductions/ded_4",
            ["", "grant", "captures", "hold,grants", "grants,", "grants,grants", "GRANTS", "draws.grant"],
        ),
        ("holds/hld_5", ["", "grants", "captures,captures", "a" * 3_900]),
        ("payments/pay-1", ["", "grant", "receipt", "grants,hold"]),
        ("payments", ["", "grant", "subscription,grants"]),
        ("grants/grt_2", ["", "payment"]),
        ("transfers/trf_1", ["grants"]),
    ],
)
def test_a_name_that_an_address_does_not_have_is_refused(service: Service, path: str, names: list[str]) -> None:
    account = staged(service)
    for name in names:
        answer = service.get(f"/v1/accounts/{account}/{path}", expand=name)
        assert list(field_errors(answer)) == ["expand"], name
    twice = service.client.get(f"/v1/accounts/{account}/{path}?expand=grants&expand=hold")
    assert list(field_errors(twice)) == ["expand"]


def test_what_is_not_there_is_refused_whatever_is_expanded(service: Service) -> None:
    account = staged(service)
    refused(service.get(f"/v1/accounts/{account}/deductions/ded_2", expand="grants"), 404, "deduction_not_found")
    refused(service.get(f"/v1/accounts/{account}/holds/hld_4", expand="captures"), 404, "hold_not_found")
    refused(service.get(f"/v1/accounts/{account}/payments/x", expand="grants"), 404, "payment_not_found")
    refused(service.get(f"/v1/accounts/{fresh()}/payments", expand="grants"), 404, "account_not_found")
