"""What deductions could not collect: in answers, the history, usage, statistics, and the list of operators."""

from tests.api.stage import Ask, Json, balance, field_errors
from tests.dashboard.guests import ROOT, operator
from tests.service import Service


def short(service: Service) -> tuple[str, list[Json]]:
    """Of 60 credits, 45 are deducted; then a deduction finds 5 too few, a capture 20, and another deduction 7."""
    account = service.open_account(permanent=60)
    held = {"hold_id": "hld_4"}
    asks = [
        Ask("deduct", account, {"amount": 45}),
        Ask("hold", account, {"amount": 5}),
        Ask("deduct", account, {"amount": 15, "task_id": "t", "on_shortfall": "available", "usage": {"model": "m"}}),
        Ask("capture", account, {"amount": 25, "on_excess": "available"}, held),
        Ask("deduct", account, {"amount": 7, "on_shortfall": "available"}),
        Ask("reverse", account, {"amount": 7}, {"deduction_id": "ded_5"}),
    ]
    answers = [ask.post(service, f"k{n}") for n, ask in enumerate(asks)]
    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
    return account, [answer.json() for answer in answers]


def test_answers_say_what_was_taken_and_what_was_not(service: Service) -> None:
    account, answers = short(service)
    assert [(one.get("deducted"), one.get("uncollected")) for one in answers] == [
        *((45, None), (None, None), (10, 5), (5, 20), (0, 7)),
        (None, None),
    ]
    assert (answers[-1]["reversed"], answers[-1]["waived"]) == (2, 5)
    assert balance(service, account)["total"] == 2
    wrong = Ask("deduct", account, {"amount": 1, "on_shortfall": "draw"}).post(service, "w")
    assert list(field_errors(wrong)) == ["on_shortfall"]
    again = Ask("deduct", account, {"amount": 7}).post(service, "k4")
    assert (again.status_code, again.json()["fields"]) == (422, ["on_shortfall"])


def test_the_list_has_every_account_and_what_is_left_to_collect(service: Service) -> None:
    account, answers = short(service)
    position = answers[-1]["position"]
    found = service.get("/v1/uncollected", account_id=account, min_position=position).json()
    rows = [(one["deduction_id"], one["status"], one["collected"], one["outstanding"]) for one in found["uncollected"]]
    assert rows == [("ded_7", "open", 0, 7), ("ded_6", "open", 5, 20), ("ded_5", "waived", 10, 0)]
    assert [(one["hold_id"], one["task_id"]) for one in found["uncollected"]][1:] == [("hld_4", None), (None, "t")]
    still_open = service.get("/v1/uncollected", account_id=account, status="open").json()["uncollected"]
    assert [one["deduction_id"] for one in still_open] == ["ded_7", "ded_6"]
    pages, cursor = [], None
    for _ in range(3):
        more: Json = {} if cursor is None else {"cursor": cursor}
        page = service.get("/v1/uncollected", account_id=account, limit=1, **more).json()
        pages += [one["deduction_id"] for one in page["uncollected"]]
        cursor = page["next_cursor"]
    assert (pages, cursor) == (["ded_7", "ded_6", "ded_5"], None)
    newest = service.get("/v1/uncollected", limit=1).json()["uncollected"][0]
    assert (newest["account_id"], newest["deduction_id"]) == (account, "ded_7")
    page = operator(service).get(f"{ROOT}/uncollected").text
    assert account in page
    assert "ded_6" in page


def test_history_usage_and_statistics_have_it(service: Service) -> None:
    account, answers = short(service)
    position = answers[-1]["position"]
    entries = service.get(f"/v1/accounts/{account}/history", min_position=position).json()["entries"]
    assert [(one["type"], one["credits"], one["uncollected"]) for one in entries][:4] == [
        *(("reversal", 2, -5), ("deduction", 0, 7)),
        *(("capture", -5, 20), ("deduction", -10, 5)),
    ]
    today = answers[-1]["recorded_at"][:10]
    span = {"from": today, "to": today, "min_position": position}
    usage = service.get(f"/v1/accounts/{account}/usage", **span, granularity="total", group_by="model").json()
    assert {one["model"]: one["uncollected"] for one in usage["buckets"][0]["groups"]} == {"m": 5, None: 27}
    totals = service.get("/v1/statistics", **span).json()["totals"]
    assert totals["uncollected"] >= 32
    assert totals["waived"] >= 5
