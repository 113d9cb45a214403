"""One grant, hold, payment, deduction or transfer: as the lists have it, or as the events add up."""

from tests.api.stage import Ask, Json, fresh, payment, provider_of, refused, staged
from tests.service import Service


def one(service: Service, account: str, path: str, **asked: object) -> Json:
    answer = service.get(f"/v1/accounts/{account}/{path}", **asked)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def test_one_of_a_list_is_as_the_list_has_it(service: Service) -> None:
    account = staged(service)
    position = Ask("deduct", account, {"amount": 1}).post(service, "now").json()["position"]
    for kind, name in (("grants", "grant_id"), ("holds", "hold_id"), ("payments", "payment_id")):
        page = one(service, account, kind, min_position=position)
        assert page[kind]
        for listed in page[kind]:
            alone = one(service, account, f"{kind}/{listed[name]}", min_position=position)
            assert alone.pop("account_id") == account
            assert {"as_of_position", "as_of"} <= alone.keys()
            assert {field: alone[field] for field in listed} == listed
            assert alone.keys() - listed.keys() == {"as_of_position", "as_of"}


def test_one_deduction_says_what_can_still_be_reversed(service: Service) -> None:
    account = staged(service)
    usage = {"provider": "openai", "input_tokens": 5}
    made = Ask("deduct", account, {"amount": 20, "description": "A chat", "usage": usage}).post(service, "d").json()
    path = f"deductions/{made['deduction_id']}"
    whole = one(service, account, path)
    assert (whole["deducted"], whole["reversed"], whole["reversible"]) == (20, 0, 20)
    assert (whole["description"], whole["usage"], whole["hold_id"]) == ("A chat", usage, None)
    assert (whole["version"], whole["position"]) == (made["version"], made["position"])
    for amount in (5, 7):
        ids = {"deduction_id": made["deduction_id"]}
        assert Ask("reverse", account, {"amount": amount}, ids).post(service, f"r{amount}").status_code == 201
    part = one(service, account, path)
    assert (part["reversed"], part["reversible"], part["draws"]) == (12, 8, whole["draws"])
    captured = Ask("capture", account, {"amount": 15}, {"hold_id": "hld_5"}).post(service, "c").json()
    assert one(service, account, f"deductions/{captured['deduction_id']}")["hold_id"] == "hld_5"
    more = {"amount": 10_000, "on_shortfall": "available"}
    short = Ask("deduct", account, more).post(service, "short").json()
    told = one(service, account, f"deductions/{short['deduction_id']}")
    assert told["deducted"] + told["uncollected"] == told["reversible"] == 10_000


def test_one_transfer_says_whether_it_was_reversed(service: Service) -> None:
    account, other = staged(service), fresh()
    assert service.post("/v1/accounts", {"account_id": other}).status_code == 201
    body = {"from_account_id": account, "to_account_id": other, "amount": 9}
    made = service.post("/v1/transfers", body, key="t").json()
    path = f"transfers/{made['transfer_id']}"
    told = one(service, account, path)
    assert (told["sent"], told["to_account_id"], told["draws"]) == (9, other, made["draws"])
    assert told["reversed_at"] is None
    back = service.post(f"/v1/accounts/{account}/{path}/reversals", {}, key="back").json()
    assert one(service, account, path)["reversed_at"] == back["recorded_at"]


def test_what_is_not_there_is_named(service: Service) -> None:
    account = staged(service)
    codes = {"grants": "grant", "holds": "hold", "deductions": "deduction", "transfers": "transfer"}
    for kind, noun in codes.items():
        for name in ("x", "grt_999", "hld_999", "ded_1", "trf_1", "grt_١", "grt_" + "9" * 40):
            answer = service.get(f"/v1/accounts/{account}/{kind}/{name}")
            assert refused(answer, 404, f"{noun}_not_found")[f"{noun}_id"]
        refused(service.get(f"/v1/accounts/{fresh()}/{kind}/ded_1"), 404, "account_not_found")
    refused(service.get(f"/v1/accounts/{account}/payments/none"), 404, "payment_not_found", payment_id="none")
    refused(service.get(f"/v1/accounts/{fresh()}/payments/none"), 404, "account_not_found")


def test_a_payment_of_several_providers_needs_the_provider(service: Service) -> None:
    account = staged(service)
    other = fresh("bank")
    position = Ask("payment", account, payment("pay-1", other)).post(service).json()["position"]
    path = f"/v1/accounts/{account}/payments/pay-1"
    refused(service.get(path, min_position=position), 409, "payment_ambiguous", payment_id="pay-1")
    for provider in (other, provider_of(account)):
        assert service.get(path, provider=provider, min_position=position).json()["provider"] == provider
