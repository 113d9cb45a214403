"""`known_at=` on the balance query: which events count, its answers and its refusals."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.stage import Ask, field_errors, fresh, refused
from tests.service import Service


def test_what_one_expected_before_a_deduction(service: Service) -> None:
    account = service.open_account()
    end = datetime.now(UTC) + timedelta(days=1)
    body = {"kind": "subscription", "amount": 7, "expires_at": end.isoformat()}
    granted = Ask("grant", account, body).post(service, "g").json()
    spent = Ask("deduct", account, {"amount": 3}).post(service, "d").json()

    def asked(**query: str) -> tuple[int, int, str, str]:
        found = service.get(f"/v1/accounts/{account}/balance", **query).json()
        return found["total"], found["version"], found["as_of"], found["known_at"]

    before, after = granted["recorded_at"], spent["recorded_at"]
    now = service.get(f"/v1/accounts/{account}/balance").json()
    assert now["known_at"] == now["as_of"]
    assert asked(at=before)[:3] == (7, 2, before)
    assert asked(at=after, known_at=before) == (7, 2, after, before)
    assert asked(at=after, known_at=after) == (4, 3, after, after)
    assert asked(at=before, known_at=after) == (7, 2, before, after)
    assert asked(known_at=before) == (7, 2, before, before)
    over = end.isoformat().replace("+00:00", "Z")
    assert asked(at=over, known_at=after) == (0, 3, over, after), "with `known_at` one may ask what is expected"


def test_what_nobody_knew(service: Service) -> None:
    account = fresh()
    opened = Ask("open", account, {"account_id": account}).post(service).json()["recorded_at"]
    early = (datetime.fromisoformat(opened) - timedelta(microseconds=1)).isoformat()
    for query in ({"known_at": early}, {"known_at": early, "at": opened}, {"known_at": opened, "at": early}):
        refused(service.get(f"/v1/accounts/{account}/balance", **query), 404, "account_not_found")


@pytest.mark.parametrize("value", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "", "1767225600"])
def test_what_is_no_instant(service: Service, value: str) -> None:
    account = service.open_account()
    assert list(field_errors(service.get(f"/v1/accounts/{account}/balance", known_at=value))) == ["known_at"]


def test_what_will_be_known_is_not_known(service: Service) -> None:
    account = service.open_account(permanent=5)
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    for query in ({"known_at": later}, {"known_at": later, "at": later}):
        errors = field_errors(service.get(f"/v1/accounts/{account}/balance", **query))
        assert errors["known_at"]["message"] == "must not be in the future"
    assert list(field_errors(service.get(f"/v1/accounts/{account}/balance", at=later))) == ["at"]
    end = datetime.max.replace(tzinfo=UTC).isoformat()
    known_at = datetime.now(UTC).isoformat()
    assert service.get(f"/v1/accounts/{account}/balance", at=end, known_at=known_at).json()["total"] == 5
