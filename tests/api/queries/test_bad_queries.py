"""Queries that are not valid: refused with the name of the parameter, and never with an internal error."""

import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from time import thread_time
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.contract.cursors import Cursors
from api.contract.problems import Problem
from api.http.queries.ledger_queries import _types
from people.api_keys import SCOPES, create_key
from tests.api.stage import Ask, Json, eventually, field_errors, payment, refused, staged, word
from tests.dashboard.guests import ROOT, all_leave, operator
from tests.long_form import times
from tests.service import PLAIN, Service

ALL = {
    "history": "/v1/accounts/{}/history",
    "history.csv": "/v1/accounts/{}/history.csv",
    "daily": "/v1/accounts/{}/rollups/daily",
    "usage": "/v1/accounts/{}/usage",
    "grants": "/v1/accounts/{}/grants",
    "holds": "/v1/accounts/{}/holds",
    "payments": "/v1/accounts/{}/payments",
    "receipt": "/v1/accounts/{}/payments/pay-1/receipt.pdf",
    "invoice": "/v1/accounts/{}/payments/pay-1/invoice",
    "one grant": "/v1/accounts/{}/grants/grt_2",
    "one hold": "/v1/accounts/{}/holds/hld_5",
    "one payment": "/v1/accounts/{}/payments/pay-1",
    "summary": "/v1/accounts/{}/summary",
    "accounts": "/v1/accounts",
    "statistics": "/v1/statistics",
    "disputes": "/v1/disputes",
    "subscriptions": "/v1/subscriptions",
    "billing": "/v1/revenue",
}
DAYS = ["daily", "usage", "statistics"]
PAGED = ["history", "grants", "holds", "payments", "accounts", "disputes", "subscriptions"]
WITH_LIMIT = [*PAGED, "usage"]
IN_ZONES = [*DAYS, "summary", "billing"]
JANUARY = {"from": "2026-01-01", "to": "2026-01-31"}


NO_INVOICE = 501
"""The payment of the stage is one of a bank, which writes no invoices."""


def status_of(name: str) -> int:
    return NO_INVOICE if name == "invoice" else 200


def ask(service: Service, name: str, account: str, **asked: Any) -> httpx.Response:
    """A query with its required parameters, unless the test gives them."""
    needed: dict[str, Any] = JANUARY if name in DAYS else {}
    parameters = {key: value for key, value in {**needed, **asked}.items() if value is not None}
    return service.get(ALL[name].format(account), **parameters)


@pytest.fixture(scope="module")
def staged_once(service: Service) -> str:
    """An account that these tests only read."""
    account = staged(service)
    position = Ask("grant", account, {"kind": "permanent", "amount": 1}).post(service, "k").json()["position"]
    eventually(lambda: ask(service, "history", account, min_position=position).status_code == 200)
    return account


def wrong(service: Service, name: str, account: str, **asked: Any) -> dict[str, Json]:
    return field_errors(ask(service, name, account, **asked))


# Every query ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_parameter_that_is_not_known_is_named(service: Service, staged_once: str, name: str) -> None:
    for parameter in ("colour", "Limit", "limit ", "at", "page", "min-position", "from_"):
        error = wrong(service, name, staged_once, **{parameter: "1"})
        assert error[parameter]["message"] == "is not a field of this request"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "value", ["-1", "1.5", "ten", "", "9007199254740992", "9" * 30, "9" * 4_000, "1e3", "0x10", "²"]
)
def test_a_position_that_cannot_be_is_refused(service: Service, staged_once: str, name: str, value: str) -> None:
    assert list(wrong(service, name, staged_once, min_position=value)) == ["min_position"]


@pytest.mark.parametrize("name", ALL)
def test_only_who_may_read_is_answered(service: Service, staged_once: str, name: str) -> None:
    path = ALL[name].format(staged_once)
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}):
        answer = httpx.get(
            service.url + path, params=JANUARY if name in DAYS else {}, headers=headers, trust_env=False, verify=PLAIN
        )
        refused(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_every_query_needs_its_scope(service: Service, staged_once: str) -> None:
    reader = create_key(service.conninfo, "reads", ["ledger:read"])
    others = create_key(service.conninfo, "all else", sorted(set(SCOPES) - {"ledger:read", "admin"}))
    for name, path in ALL.items():
        parameters = JANUARY if name in DAYS else {}
        answer, turned_away = (
            service.client.get(path.format(staged_once), params=parameters, headers={"Authorization": f"Bearer {key}"})
            for key in (reader, others)
        )
        assert answer.status_code == status_of(name)
        assert "ledger:read" in refused(turned_away, 403, "missing_scope")["detail"]


@pytest.mark.parametrize("name", [name for name in ALL if "{}" in ALL[name]])
@pytest.mark.parametrize("account", ["%00", "a%00b", "%0a", "%7f", "x" * 129, "%C3%A9" * 129, "%FF"])
def test_an_account_that_cannot_be(service: Service, name: str, account: str) -> None:
    answer = service.client.get(ALL[name].format(account), params=JANUARY if name in DAYS else None)
    assert answer.status_code in {404, 422}, answer.text
    assert answer.status_code == 404 or list(field_errors(answer)) == ["path" if account == "%FF" else "account_id"]


# Pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_LIMIT)
@pytest.mark.parametrize("value", ["0", "1001", "-1", "ten", "", "1e3", "1.5", "9" * 30, "true", "None"])
def test_a_limit_that_cannot_be_is_refused(service: Service, staged_once: str, name: str, value: str) -> None:
    assert list(wrong(service, name, staged_once, limit=value)) == ["limit"]


def test_the_file_takes_neither_limit_nor_cursor(service: Service, staged_once: str) -> None:
    for parameter in ("limit", "cursor"):
        assert list(wrong(service, "history.csv", staged_once, **{parameter: "1"})) == [parameter]


CHOICES = [
    ("history", "order", ["", "DESC", "newest", "desc,asc"]),
    ("history.csv", "order", ["", "up"]),
    (
        "history",
        "type",
        ["", "grants", "Grant", "grant,", ",grant", "grant,,void", "grant void", "grant;void", "a" * 3_900],
    ),
    ("history.csv", "type", ["", "hold"]),
    ("history", "task_id", ["", "x" * 129, "a\0b", "a\nb", "\x7f"]),
    ("history", "provider", ["", "x" * 129, "a\0b", "a\nb", "\x7f"]),
    ("history.csv", "member", ["", "x" * 129, "a\0b", "a\nb", "\x7f"]),
    ("grants", "status", ["", "Open", "captured", "open,spent"]),
    ("holds", "status", ["", "spent", "active"]),
    ("payments", "status", ["", "open", "PAID"]),
    ("accounts", "sort", ["", "id", "total", "balance desc", "account_id; DROP TABLE accounts"]),
    ("accounts", "prefix", ["x" * 129, "a\0", "\x01", "\n"]),
    ("usage", "granularity", ["", "1m", "15", "1D", "day", "total,1d"]),
    ("usage", "by", ["", "occurred_at", "Recorded", "recorded,occurred"]),
    ("daily", "by", ["", "occurrence"]),
    ("history", "agent", ["", "x" * 129, "a\0b"]),
    ("usage", "group_by", ["", "credits", "model,", "model,,member", "Model", "model;member", "model member"]),
]


@pytest.mark.parametrize(("name", "parameter", "values"), CHOICES)
def test_what_is_none_of_the_choices_is_refused(
    service: Service, staged_once: str, name: str, parameter: str, values: list[str]
) -> None:
    for value in values:
        assert list(wrong(service, name, staged_once, **{parameter: value})) == [parameter], value


# Cursors --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cursors(service: Service, staged_once: str) -> dict[str, str]:
    """A valid cursor of each list, of an account with two grants, holds, payments, disputes and subscriptions."""
    staged(service)
    Ask("hold", staged_once, {"amount": 1}).post(service, "another")
    Ask("payment", staged_once, payment("disputed", "shop")).post(service)
    for name in ("one", "two"):
        of_dispute = {"dispute_id": name, "provider": "shop", "state": "open", "amount_minor": 1}
        Ask("payment_dispute", staged_once, of_dispute, {"payment_id": "disputed"}).post(service)
        Ask("subscription", staged_once, word(), {"subscription_id": name}).post(service)
    position = Ask("payment", staged_once, payment("another")).post(service).json()["position"]
    found = {}
    for name in PAGED:
        page = ask(service, name, staged_once, limit=1, min_position=position).json()
        assert page["next_cursor"], name
        found[name] = page["next_cursor"]
    return found


def damaged(cursor: str) -> list[str]:
    """Damaged forms of a cursor."""
    raw = bytearray(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    flipped = []
    for place in range(len(raw)):
        raw[place] ^= 1 << place % 8
        flipped.append(urlsafe_b64encode(raw).rstrip(b"=").decode())
        raw[place] ^= 1 << place % 8
    others = [
        cursor[::-1],
        cursor * 2,
        cursor + "A",
        cursor + "=",
        cursor + "==",
        cursor + "!",
        f" {cursor}",
        cursor.swapcase(),
    ]
    forms = [
        "",
        "=",
        "null",
        "[]",
        "0",
        "é",
        "%00",
        "\0",
        "not a cursor",
        "A" * 12,
        "AAAAAAAAAAAAW10",
        "W10",
        "x" * 1_024,
    ]
    return [*flipped, *(cursor[:length] for length in range(len(cursor))), *others, *forms]


@pytest.mark.parametrize("name", PAGED)
def test_a_damaged_cursor_is_refused(service: Service, staged_once: str, cursors: dict[str, str], name: str) -> None:
    assert ask(service, name, staged_once, limit=1, cursor=cursors[name]).status_code == 200
    for cursor in damaged(cursors[name]):
        assert list(wrong(service, name, staged_once, limit=1, cursor=cursor)) == ["cursor"], cursor
    assert list(wrong(service, name, staged_once, cursor="A" * 1_025)) == ["cursor"]


@pytest.mark.parametrize("name", PAGED)
def test_the_last_letter_of_a_cursor_counts(
    service: Service, staged_once: str, cursors: dict[str, str], name: str
) -> None:
    """The last letter of Base64 may have unused bits; a cursor still has only one valid form."""
    cursor = cursors[name]
    for letter in string.ascii_letters + string.digits + "-_":
        changed = cursor[:-1] + letter
        status = ask(service, name, staged_once, limit=1, cursor=changed).status_code
        assert status == (200 if changed == cursor else 422), letter


def forged(cursor: str) -> Iterator[str]:
    """Cursors of the same list, made by a caller who knows how, and not the ledger's secret."""
    raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    values = raw[16:]
    codes = [
        blake2b(values, digest_size=16),
        blake2b(values, key=b"cursors", digest_size=16),
        blake2b(raw, digest_size=16),
    ]
    for code in (*(one.digest() for one in codes), b"", b"\0" * 16, raw[:9]):
        yield urlsafe_b64encode(code + values).rstrip(b"=").decode()


def test_only_the_ledger_makes_a_cursor(service: Service, staged_once: str, cursors: dict[str, str]) -> None:
    for name in PAGED:
        for cursor in forged(cursors[name]):
            assert list(wrong(service, name, staged_once, limit=1, cursor=cursor)) == ["cursor"], name
    of = ("grants", staged_once, None)
    unkeyed = orjson.dumps([2**52])
    before = blake2b(orjson.dumps(of, default=str) + unkeyed, digest_size=9).digest() + unkeyed
    old = urlsafe_b64encode(before).rstrip(b"=").decode()
    assert list(wrong(service, "grants", staged_once, cursor=old)) == ["cursor"]


def test_another_ledger_makes_other_cursors() -> None:
    ours, theirs = Cursors(), Cursors()
    ours.use(b"a" * 32)
    theirs.use(b"b" * 32)
    cursor = ours.make(("grants",), 7)
    assert ours.read(cursor, ("grants",), (int,)) == [7]
    for other, of in ((theirs, ("grants",)), (ours, ("holds",))):
        with pytest.raises(Problem, match="cursor"):
            other.read(cursor, of, (int,))


def test_a_damaged_cursor_of_a_page_is_refused(service: Service, staged_once: str, cursors: dict[str, str]) -> None:
    start = f"{ROOT}/accounts/{staged_once}"
    pages = [
        f"{start}/usage?cursor=",
        f"{start}/billing?payments=",
        f"{start}/billing?grants=",
        f"{start}/grants?cursor=",
    ]
    client = operator(service)
    for page in (*pages, f"{ROOT}/accounts?cursor="):
        for cursor in ("A" * 40, cursors["history"], next(forged(cursors["grants"]))):
            assert client.get(page + cursor).status_code == 422, page
    all_leave()


def test_a_cursor_of_another_list_is_refused(service: Service, staged_once: str, cursors: dict[str, str]) -> None:
    for name in PAGED:
        for other in PAGED:
            if other != name:
                assert list(wrong(service, name, staged_once, cursor=cursors[other])) == ["cursor"]
    another = staged(service)
    for name in ("history", "grants", "holds", "payments"):
        assert list(wrong(service, name, another, cursor=cursors[name])) == ["cursor"]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("history", {"order": "asc"}),
        ("history", {"type": "grant"}),
        ("history", {"task_id": "t"}),
        ("history", {"provider": "p"}),
        ("history", {"from": "2020-01-01T00:00:00Z"}),
        ("history", {"to": "2099-01-01T00:00:00Z"}),
        ("grants", {"status": "open"}),
        ("holds", {"status": "open"}),
        ("payments", {"status": "paid"}),
        ("accounts", {"sort": "balance"}),
        ("accounts", {"sort": "activity"}),
        ("accounts", {"prefix": "a"}),
    ],
)
def test_a_cursor_under_other_filters_or_another_order_is_refused(
    service: Service, staged_once: str, cursors: dict[str, str], name: str, changes: dict[str, str]
) -> None:
    assert list(wrong(service, name, staged_once, cursor=cursors[name], **changes)) == ["cursor"]
    assert ask(service, name, staged_once, cursor=cursors[name], limit=3).status_code == 200  # a page may be larger


# Days and zones -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", IN_ZONES)
@pytest.mark.parametrize(
    "tz",
    [
        *("", "Berlin", "europe/berlin", "utc", "UTC ", " UTC", "UTC+1", "+01:00", "CEST", "localtime", "posixrules"),
        *("../../etc/passwd", "/etc/localtime", "./UTC", "Europe/../UTC", "Europe/", "Europe", "tzdata.zi"),
        *("UTC\0", "Europe/Berlin\n", "x" * 3_900, "Ü", "\u202eUTC", "'; SELECT 1; --"),
    ],
)
def test_a_zone_that_is_none_is_refused(service: Service, staged_once: str, name: str, tz: str) -> None:
    assert list(wrong(service, name, staged_once, tz=tz)) == ["tz"]


@pytest.mark.parametrize("name", DAYS)
@pytest.mark.parametrize("end", ["from", "to"])
@pytest.mark.parametrize(
    "day",
    [
        *("", "today", "2026-13-01", "2026-02-30", "2026-2-3", "20260131", "31.01.2026", "2026-01-31T00:00:00Z"),
        *("1767225600", "1769817600", "2026-01-3१", "-026-01-01", "0000-00-00", "0001-01-01", "1979-12-31"),
        *("2200-01-01", "9999-12-31", "2026-01-31 ", "+26-01-31", "2026/01/31", "1e9", "99999-12-31"),
    ],
)
def test_a_day_that_is_none_or_out_of_range_is_refused(
    service: Service, staged_once: str, name: str, end: str, day: str
) -> None:
    error = wrong(service, name, staged_once, **{end: day})
    assert list(error) == [end]
    assert "datetime.date(" not in error[end]["message"]  # our words, and not Python's


@pytest.mark.parametrize("name", DAYS)
def test_a_period_needs_both_ends(service: Service, staged_once: str, name: str) -> None:
    assert list(wrong(service, name, staged_once, **{"from": None})) == ["from"]
    assert list(wrong(service, name, staged_once, to=None)) == ["to"]
    assert list(wrong(service, name, staged_once, **{"from": None, "to": None})) == ["from", "to"]


@pytest.mark.parametrize("name", DAYS)
def test_a_period_that_ends_before_it_begins_is_refused(service: Service, staged_once: str, name: str) -> None:
    error = wrong(service, name, staged_once, **{"from": "2026-02-01", "to": "2026-01-31"})
    assert error["to"]["message"] == "must not be before `from`"
    assert ask(service, name, staged_once, **{"from": "2026-01-31", "to": "2026-01-31"}).status_code == 200


@pytest.mark.parametrize("name", DAYS)
@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin"])
def test_a_period_that_is_too_long_is_refused(service: Service, staged_once: str, name: str, tz: str) -> None:
    first = date(2023, 1, 1)
    for days, status in ((1_100, 200), (1_101, 422), (60_000, 422)):
        last = first + timedelta(days=days - 1)
        answer = ask(service, name, staged_once, tz=tz, **{"from": first.isoformat(), "to": last.isoformat()})
        assert answer.status_code == status
        if status == 422:
            assert "1100 days" in field_errors(answer)["to"]["message"]


@pytest.mark.parametrize(
    ("granularity", "most", "tz"),
    [("15m", 31, "UTC"), ("1h", 125, "UTC"), ("15m", 31, "Asia/Kathmandu"), ("1h", 125, "Asia/Kathmandu")],
)
def test_too_many_buckets_are_refused(service: Service, staged_once: str, granularity: str, most: int, tz: str) -> None:
    first = date(2026, 1, 1)
    asked = {"from": first.isoformat(), "granularity": granularity, "tz": tz}
    good, bad = (
        ask(service, "usage", staged_once, to=str(first + timedelta(days=n - 1)), **asked) for n in (most, most + 1)
    )
    assert good.status_code == 200
    assert "at most 3000" in field_errors(bad)["to"]["message"]


def test_the_first_and_the_last_day_that_can_be_asked_for(service: Service, staged_once: str) -> None:
    for day in ("1980-01-01", "2199-12-31"):
        for tz in ("UTC", "Pacific/Kiritimati", "Pacific/Niue"):
            for name in DAYS:
                assert ask(service, name, staged_once, tz=tz, **{"from": day, "to": day}).status_code == 200


@pytest.mark.parametrize("name", ["history", "history.csv"])
@pytest.mark.parametrize("end", ["from", "to"])
@pytest.mark.parametrize(
    "at",
    [
        *(
            "",
            "now",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "1767225600",
            "1e9",
            "2026-13-01T00:00:00Z",
            "2026-01-01T25:00Z",
        ),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00+99:00", "x" * 3_900, "\0"),
    ],
)
def test_a_time_that_is_none_is_refused(service: Service, staged_once: str, name: str, end: str, at: str) -> None:
    assert list(wrong(service, name, staged_once, **{end: at})) == [end]


@pytest.mark.parametrize("name", ["history", "history.csv"])
def test_a_history_that_ends_before_it_begins_is_refused(service: Service, staged_once: str, name: str) -> None:
    late, early = "2026-01-02T00:00:00Z", "2026-01-02T00:00:00+00:30"
    assert list(wrong(service, name, staged_once, **{"from": late, "to": early})) == ["to"]
    assert ask(service, name, staged_once, **{"from": early, "to": late}).status_code == 200


def test_times_from_one_end_of_time_to_the_other(service: Service, staged_once: str) -> None:
    ends = {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59.999999Z"}
    whole = ask(service, "history", staged_once).json()["entries"]
    assert ask(service, "history", staged_once, **ends).json()["entries"] == whole != []


# Anything at all ------------------------------------------------------------------------------------------------

NAMES = [
    *("limit", "cursor", "order", "type", "from", "to", "task_id", "tz", "granularity", "group_by", "status", "prefix"),
    *("sort", "min_position", "at", "colour", ""),
]
now = datetime.now(UTC)
VALUES = st.one_of(
    st.sampled_from(
        ["1", "0", "-1", "1000", "asc", "desc", "grant", "grant,void", "UTC", "Europe/Berlin", "1d", "15m"]
    ),
    st.sampled_from(
        ["total", "model", "model,member", "open", "paid", "balance", "activity", "2026-01-01", "2026-12-31"]
    ),
    st.sampled_from(
        [now.isoformat(), "2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "%", "_", "\\", "'", "\0", "\ud7ff"]
    ),
    st.integers(-(2**70), 2**54).map(str),
    st.dates().map(str),
    st.text(max_size=30),
    st.binary(max_size=40).map(lambda raw: urlsafe_b64encode(raw).decode()),
)


@settings(
    deadline=None,
    max_examples=times(200, 600),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    name=st.sampled_from(sorted(ALL)),
    asked=st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=5),
    needed=st.sampled_from([[], list(JANUARY.items())]),
)
def test_whatever_is_asked_is_answered_or_refused(
    service: Service, staged_once: str, name: str, asked: list[tuple[str, str]], needed: list[tuple[str, str]]
) -> None:
    """Never an internal error, and never a slow answer; a parameter may come twice."""
    far = [(key, value) for key, value in asked if not (key == "min_position" and value.isdecimal() and int(value) > 9)]
    answer = service.client.get(ALL[name].format(staged_once), params=[*far, *needed])
    assert answer.status_code in {status_of(name), 422}, answer.text
    if answer.status_code == 422:
        assert field_errors(answer)


def test_types_with_many_blanks_are_read_quickly() -> None:
    """In a time that grows with their length, and not with its square."""
    began = thread_time()
    with pytest.raises(Problem, match="types"):
        _types("a" + " " * 100_000 + "a")
    assert thread_time() - began < 1
    assert _types(" CreditsGranted ,\tHoldExpired") == ["CreditsGranted", "HoldExpired"]
