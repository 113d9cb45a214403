"""Erasure as its users see it: the texts are there, then `credit-ledger erase`, and they are nowhere any more."""

import json
from typing import Any

import pytest

from tests.api.stage import eventually
from tests.commands import Finished, command
from tests.service import Service

SECRET = "Ada Lovelace"


def erase(service: Service, *options: str, answer: str = "") -> Finished:
    """The command, on the database of a running service."""
    return command(service.conninfo, "erase", *options, said=answer)


@pytest.fixture
def named(service: Service) -> str:
    """An account in which every text has a name."""
    account = service.open_account(permanent=100)
    path = f"/v1/accounts/{account}"
    grant = {"kind": "permanent", "amount": 10, "description": SECRET, "metadata": {"for": SECRET}}
    hold = {"amount": 2, "expires_in_seconds": 600, "description": SECRET}
    said: dict[str, Any] = {"grants": grant, "holds": hold}
    said |= {"deductions": {"amount": 7, "description": SECRET, "metadata": {"for": SECRET}}}
    said |= {"deductions/ded_5/reversals": {"amount": 1, "reason": SECRET}}
    answers = [service.post(f"{path}/{noun}", body, key=noun[:20]) for noun, body in said.items()]
    assert [answer.status_code for answer in answers] == [201] * len(said)
    position = answers[-1].json()["position"]
    eventually(lambda: service.get(f"{path}/history", min_position=position).status_code == 200)
    return account


def told(service: Service, account: str) -> dict[str, str]:
    """Every answer in which a text can be."""
    path = f"/v1/accounts/{account}"
    nouns = ["history", "history.csv", "grants", "holds", "summary", "events"]
    answers = {noun: service.get(f"{path}/{noun}") for noun in nouns}
    first = answers["events"].json()["events"][0]["position"]
    answers["log"] = service.get("/v1/events", after=first - 1, limit=100)
    assert {answer.status_code for answer in answers.values()} == {200}
    return {noun: answer.text for noun, answer in answers.items()}


def test_texts_are_answered_until_they_are_erased(service: Service, named: str) -> None:
    before = told(service, named)
    assert [noun for noun, text in before.items() if SECRET not in text] == []
    balance = service.get(f"/v1/accounts/{named}/balance").json()["total"]
    done = erase(service, named, "--yes", "--json")
    assert (done.status, done.err) == (0, "")
    recorded = done.report
    eventually(lambda: service.get(f"/v1/accounts/{named}/history", min_position=recorded["position"]).is_success)
    after = told(service, named)
    assert [noun for noun, text in after.items() if SECRET in text or "sealed:" in text] == []
    assert service.get(f"/v1/accounts/{named}/balance").json()["total"] == balance
    events = json.loads(after["events"])["events"]
    assert [event["erased"] for event in events if "erased" in event] == [
        *(["description", "metadata"], ["description"], ["description", "metadata"], ["reason"]),
    ]
    assert (events[-1]["type"], events[-1]["version"]) == ("TextsErased", recorded["version"])


def test_it_asks_first(service: Service, named: str) -> None:
    done = erase(service, named, answer="n\n")
    assert done.status == 1
    assert f"of {named} becomes unreadable, for ever" in done.err
    assert SECRET in told(service, named)["history"]
    done = erase(service, named, answer="y\n")
    assert done.status == 0
    assert done.out.strip().startswith(f"{named}: erased, recorded as version ")


def test_one_that_is_not_there_does_not_keep_the_others_from_it(service: Service, named: str) -> None:
    done = erase(service, "nobody", named, "--yes")
    assert done.status == 1
    assert done.err == "credit-ledger: nobody: There is no account 'nobody'.\n"
    assert f"{named}: erased" in done.out
