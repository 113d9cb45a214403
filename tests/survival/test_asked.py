"""Events that are not what was asked for, and what answers have to say, for words with several parts."""

from typing import Any

import orjson
import pytest

from tests.survival.answering import answer_of, says
from tests.survival.asked import agrees
from tests.survival.attempts import Ask
from tests.survival.log import Row
from tests.survival.verdict import judge

Data = dict[str, Any]
AT, LATER = "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:05Z"
BALANCE = {"subscription_credits": 0, "permanent_credits": 0, "held": 0}


def rows(*events: tuple[str, Data], account: str = "a", operation: str = "op", key: str | None = "k") -> list[Row]:
    """Events of one command."""
    metadata = {"operation": operation, "idempotency_key": key, "request_id": "r"}
    made = []
    for number, (topic, data) in enumerate(events, 1):
        stored = {"data": {**data, "balance": BALANCE}, "metadata": metadata, "recorded_at": AT, "schema": 1}
        made.append(Row(number, account, number, topic, orjson.dumps(stored)))
    return made


def granted(number: int, amount: int, **more: Any) -> tuple[str, Data]:
    return "CreditsGranted", {"grant_id": f"grt_{number}", "kind": "permanent", "amount": amount, **more}


PAID = ("PaymentRecorded", {"payment_id": "p", "provider": "s", "status": "paid", "amount_minor": 10})
BUYS = {
    "payment_id": "p",
    "provider": "s",
    "status": "paid",
    "amount_minor": 10,
    "grant": {"kind": "permanent", "amount": 3},
    "grants": [{"kind": "permanent", "amount": 7, "effective_at": "2026-01-01T00:00:05+00:00"}],
}
EACH = {"limit_id": "each", "amount": 5, "source": "plan"}


@pytest.mark.parametrize(
    ("operation", "body", "good", "bad"),
    [
        ("payment", BUYS, [PAID, granted(2, 3), granted(3, 7, effective_at=LATER)], [PAID, granted(2, 3)]),
        (
            "payment",
            BUYS,
            [PAID, granted(2, 3), granted(3, 7, effective_at=LATER)],
            [PAID, granted(2, 3), granted(3, 7)],
        ),
        (
            "payment",
            BUYS,
            [PAID, granted(2, 3), granted(3, 7, effective_at=LATER)],
            [PAID, granted(2, 7), granted(3, 3, effective_at=LATER)],
        ),
        (
            "limits",
            {"source": "plan", "limits": [{"limit_id": "each", "amount": 5}]},
            [("LimitsSet", {"source": "plan", "limits": [EACH], "kept": []})],
            [("LimitsSet", {"source": "plan", "limits": [{**EACH, "amount": 6}], "kept": []})],
        ),
        (
            "allowance",
            {"value": "ada", "amount": 3},
            [("AllowanceSet", {"limit_id": "each", "value": "ada", "amount": 3})],
            [("AllowanceSet", {"limit_id": "each", "value": "ada"})],
        ),
        (
            "allowance",
            {"value": "ada", "amount": None},
            [("AllowanceSet", {"limit_id": "each", "value": "ada"})],
            [("AllowanceSet", {"limit_id": "each", "value": "bob"})],
        ),
        (
            "meter",
            {"quantity": 3, "usage": {"metric": "files", "member": "ada"}},
            [("UsageMetered", {"quantity": 3, "metric": "files", "usage": {"metric": "files", "member": "ada"}})],
            [("UsageMetered", {"quantity": 3, "metric": "files", "usage": {"metric": "files", "member": "bob"}})],
        ),
        (
            "grant",
            {"kind": "permanent", "amount": 3, "effective_at": "2026-01-01T00:00:05+00:00"},
            [granted(2, 3, effective_at=LATER)],
            [granted(2, 3, effective_at="2026-01-01T00:00:06Z")],
        ),
        (
            "change_expiry",
            {"expires_at": LATER, "reinstate": False},
            [("GrantExpiryChanged", {"grant_id": "grt_2", "reinstated": 0, "expires_at": LATER})],
            [("GrantExpiryChanged", {"grant_id": "grt_2", "reinstated": 4, "expires_at": LATER})],
        ),
    ],
)
def test_what_was_asked_for(
    operation: str, body: Data, good: list[tuple[str, Data]], bad: list[tuple[str, Data]]
) -> None:
    ask = Ask(operation, "a", "k", body)
    assert agrees(ask, rows(*good))
    assert not agrees(ask, rows(*bad))


def test_the_answer_of_a_payment_lists_its_grants() -> None:
    one, several = [PAID, granted(2, 3)], [PAID, granted(2, 3), granted(3, 7, effective_at=LATER)]
    said = {"granted": 3, "grant_id": "grt_2", "kind": "permanent", "expires_at": None, "effective_at": None}
    other = {**said, "granted": 7, "grant_id": "grt_3", "effective_at": LATER}
    assert answer_of(rows(*one)).items() >= {**said, "grants": [said]}.items()
    wanted = answer_of(rows(*several))
    assert wanted["grants"] == [said, other]
    assert "granted" not in wanted
    assert says({**wanted, "grants": [said]}, wanted) is not None


def test_the_answer_of_a_refund_lists_its_voids() -> None:
    refund = ("PaymentRefunded", {"payment_id": "p", "refund_id": "r", "amount_minor": 5})
    voids = [("GrantVoided", {"grant_id": f"grt_{n}", "amount": n, "uncollected": 1}) for n in (6, 7)]
    wanted = answer_of(rows(refund, *voids))
    assert [(void["grant_id"], void["voided"]) for void in wanted["voids"]] == [("grt_6", 6), ("grt_7", 7)]
    assert "voided" not in wanted


def test_an_answer_says_what_limits_leave() -> None:
    counts = [["each", "ada", 7, 5, LATER]]
    data = {"deduction_id": "ded_5", "amount": 7, "draws": [], "counts": counts}
    left = {"limit_id": "each", "value": "ada", "amount": 5, "used": 7, "headroom": 0, "over": 2, "resets_at": LATER}
    assert answer_of(rows(("CreditsDeducted", data)))["limits"] == [left]
    metered = answer_of(rows(("UsageMetered", {"metric": "files", "quantity": 3})))
    assert (metered["metered"], metered["limits"]) == (3, [])


def test_a_payment_that_two_accounts_have() -> None:
    opened: tuple[str, Data] = ("AccountOpened", {})
    log = [*rows(opened, PAID), *rows(opened, PAID, account="b")]
    found = judge([], log, None).wrong
    assert any("2 accounts have the payment ('s', 'p')" in sentence for sentence in found), found


def test_a_start_comes_from_no_command() -> None:
    """Time starts a grant; it grants none by itself."""
    start = {"grant_id": "grt_2", "kind": "permanent", "amount": 3, "effective_at": AT}
    for topic, wrong in (("GrantStarted", False), ("CreditsGranted", True)):
        found = judge([], rows((topic, start), operation="expire", key=None), None).wrong
        assert any("comes from no command" in sentence for sentence in found) == wrong
