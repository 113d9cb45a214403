"""One event explained over HTTP: the shapes, the statuses, and the same words as the command line's."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest

from people.api_keys import create_key
from tests.api.stage import STAGED_VERSION, Ask, Json, field_errors, fresh, refused
from tests.commands import command
from tests.service import PLAIN, Service


def explain(service: Service, account: str, **query: object) -> Json:
    response = service.get(f"/v1/accounts/{account}/explain", **query)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def test_a_deduction_is_explained(service: Service, account: str) -> None:
    found = explain(service, account, version=4)
    event = service.get(f"/v1/accounts/{account}/events", after_version=3, limit=1).json()["events"][0]
    assert {name: found[name] for name in ("account_id", "position", "version", "type", "recorded_at")} == {
        name: event[name] for name in ("account_id", "position", "version", "type", "recorded_at")
    }
    assert found["sentence"] == "30 credits were deducted as ded_4."
    (drawn,) = found["draws"]
    assert (drawn["grant_id"], drawn["before"], drawn["amount"], drawn["after"]) == ("grt_3", 100, 30, 70)
    assert (drawn["rule"], drawn["why"]) == ("subscription_first", "before grt_2: subscription before permanent")
    (left,) = found["passed_over"]
    assert (left["grant_id"], left["amount"], left["reason"]) == ("grt_2", 50, "not_needed")
    assert (found["balance_before"]["total"], found["balance_after"]["total"]) == (150, 120)
    assert (found["sound"], found["violations"]) == (True, [])


def test_every_version_is_explained_and_the_newest_without_asking(service: Service, account: str) -> None:
    found = [explain(service, account, version=version) for version in range(1, STAGED_VERSION + 1)]
    assert all(one["sound"] for one in found)
    assert explain(service, account) == found[-1]
    for one, following in pairwise(found):
        assert one["balance_after"] == following["balance_before"]


def test_a_reversal_long_after_its_deduction_is_held_against_it(service: Service, account: str) -> None:
    Ask("deduct", account, {"amount": 10}).post(service, "between")
    done = Ask("reverse", account, {"amount": 10}, {"deduction_id": "ded_4"}).post(service, "r").json()
    Ask("reverse", account, {"amount": 20}, {"deduction_id": "ded_4"}).post(service, "later")
    found = explain(service, account, version=done["version"])
    assert (found["sound"], found["returns"][0]["grant_id"]) == (True, "grt_3")
    assert len(found["why"]) == 1, "what came back later is not told"


def test_the_command_line_says_the_same(service: Service, account: str) -> None:
    done = command(service.conninfo, "replay", account, "--json", "--at", str(STAGED_VERSION))
    *events, end = map(json.loads, done.out.splitlines())
    said = [{name: value for name, value in event.items() if name != "recorded"} for event in events]
    assert said == [explain(service, account, version=version) for version in range(1, STAGED_VERSION + 1)]
    balance = service.get(f"/v1/accounts/{account}/balance").json()
    assert balance.items() >= {k: v for k, v in end["account"].items() if k not in ("holds", "disputed")}.items()


def test_what_is_not_there(service: Service, account: str) -> None:
    refused(service.get(f"/v1/accounts/{fresh('nobody')}/explain"), 404, "account_not_found")
    refused(service.get(f"/v1/accounts/{fresh('nobody')}/explain", version=1), 404, "account_not_found")
    for version in (STAGED_VERSION + 1, 2**53 - 1):
        path = f"/v1/accounts/{account}/explain"
        refused(
            service.get(path, version=version), 404, "event_not_found", version=version, last_version=STAGED_VERSION
        )


@pytest.mark.parametrize("version", ["0", "-1", "1.5", "one", "", str(2**53)])
def test_what_is_no_version(service: Service, account: str, version: str) -> None:
    assert list(field_errors(service.get(f"/v1/accounts/{account}/explain", version=version))) == ["version"]


def test_it_is_for_auditors(service: Service, account: str) -> None:
    url = f"{service.url}/v1/accounts/{account}/explain"
    refused(httpx.get(url, trust_env=False, verify=PLAIN), 401, "unauthenticated")
    until = datetime.now(UTC) + timedelta(hours=1)
    for scope, status in (("ledger:read", 403), ("audit:read", 200)):
        key = create_key(service.conninfo, scope, [scope], until)
        answer = httpx.get(url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, verify=PLAIN)
        assert answer.status_code == status
        if status == 403:
            refused(answer, 403, "missing_scope", scope="audit:read")
