"""What becomes of answers that no provider should give, and of calls that are not answered."""

import gzip
import json
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.calls import http
from billing.calls.calls import ProviderFailed
from billing.calls.http import LARGEST_ANSWER, Api, path_of
from tests.billing.calls.provider_server import ProviderServer, Raw

KEY = "sk_test_s3cret"


def api(url: str) -> Api:
    return Api("stripe", "Stripe", url, KEY, {"Stripe-Version": "1"})


def said(code: int, value: Any) -> Raw:
    return Raw(code, json.dumps(value).encode())


FAILURES: dict[str, tuple[Raw, str]] = {
    "Stripe's": (said(402, {"error": {"message": "Your card was declined."}}), "answered 402: Your card was declined."),
    "Dodo's": (said(422, {"code": "X", "message": "no such product"}), "answered 422: no such product."),
    "Lemon Squeezy's": (said(404, {"errors": [{"title": "Not Found", "detail": "gone"}]}), "answered 404: gone."),
    "Paddle's": (
        said(403, {"error": {"code": "forbidden", "detail": "no permission"}}),
        "answered 403: no permission.",
    ),
    "Polar's": (
        said(422, {"error": "MissingBilling", "detail": "a name is required"}),
        "answered 422: a name is required.",
    ),
    "Polar's about a field": (said(422, {"error": "Validation", "detail": [{}]}), "answered 422: Validation."),
    "a key in the answer": (said(401, {"message": f"wrong key {KEY}\n{KEY}"}), "answered 401: wrong key [key] [key]."),
    "a long sentence": (said(500, {"message": "x" * 900}), f"answered 500: {'x' * 200}…."),
    "no sentence": (said(503, {"message": 7, "error": {}}), "answered 503."),
    "a page": (Raw(502, b"<html>Bad gateway</html>"), "answered 502."),
    "no JSON": (Raw(200, b"<html>Welcome</html>"), "answered 200 with what is no JSON object."),
    "a list": (Raw(200, b"[]"), "answered 200 with what is no JSON object."),
    "deep": (Raw(200, b'{"a":' * 5_000 + b"1" + b"}" * 5_000), "answered 200 with what is no JSON object."),
    "a redirect": (Raw(302, b"{}", {"Location": "https://elsewhere.example/"}), "answered 302."),
    "compressed": (Raw(200, gzip.compress(b"{}"), {"Content-Encoding": "gzip"}), "with what is no JSON object."),
    "huge": (Raw(200, b" " * (LARGEST_ANSWER + 1)), "answered with more than 8,388,608 bytes."),
}


async def test_an_answer_that_is_none_is_told_in_a_sentence_without_the_key(remote: ProviderServer) -> None:
    calls = api(remote.url)
    for name, (raw, sentence) in FAILURES.items():
        remote.answers["GET", "/v1/x"] = raw
        with pytest.raises(ProviderFailed) as failed:
            await calls.call("GET", "/v1/x")
        assert failed.value.detail.startswith("Stripe "), name
        assert failed.value.detail.endswith(sentence), name
        assert failed.value.facts == {"provider": "stripe", "provider_status": raw.status}, name
        assert KEY not in failed.value.detail, name
    assert len(remote.requests) == len(FAILURES), "nothing is sent again"


async def test_a_call_that_is_not_answered_may_have_been_carried_out(
    remote: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.answers["POST", "/v1/x"] = Raw(200, b"{}" * 100, cut=True)
    with pytest.raises(ProviderFailed, match=r"^Stripe did not answer: .* whether it did it is not known\.$") as failed:
        await api(remote.url).call("POST", "/v1/x", body=b"a=1")
    assert failed.value.facts == {"provider": "stripe"}
    monkeypatch.setattr(http, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(ProviderFailed, match=r"did not answer within .* whether it did it is not known\.$"):
            await api(f"http://127.0.0.1:{silent.getsockname()[1]}").call("POST", "/v1/x")
        free = silent.getsockname()[1]
    with pytest.raises(ProviderFailed, match=r"^Stripe cannot be reached: "):
        await api(f"http://127.0.0.1:{free}").call("POST", "/v1/x")


async def test_only_what_is_read_in_the_background_is_asked_for_again_and_not_for_ever(
    remote: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "PAUSES", (0.001, 0.001))
    answers = iter([Raw(429), Raw(429), Raw(200, b'{"id": "x"}')])
    remote.answers["GET", "/v1/x"] = lambda _: next(answers)
    calls = api(remote.url)
    assert (await calls.read("/v1/x", [("a", "1")])).payload.text("id") == "x"
    assert [one.query for one in remote.requests] == [[("a", "1")]] * 3
    for status, attempts in ((429, 3), (500, 1)):
        remote.requests.clear()
        remote.answers["GET", "/v1/x"] = Raw(status)
        with pytest.raises(ProviderFailed, match=f"answered {status}"):
            await calls.read("/v1/x")
        assert len(remote.requests) == attempts
    remote.answers["GET", "/v1/x"] = Raw(429)
    remote.requests.clear()
    with pytest.raises(ProviderFailed, match="answered 429"):
        await calls.call("GET", "/v1/x")
    assert len(remote.requests) == 1


async def test_an_answer_is_as_of_a_moment_before_the_call_by_the_clock_of_the_provider(
    remote: ProviderServer,
) -> None:
    remote.answers["DELETE", "/v1/x"] = Raw(204, b"", {"Date": "Mon, 30 Nov 2026 12:00:09 GMT"})
    answer = await api(remote.url).call("DELETE", "/v1/x")
    assert answer.payload.value == {}
    at = datetime(2026, 11, 30, 12, 0, 9, tzinfo=UTC)
    assert at - timedelta(seconds=5) <= answer.as_of < at - timedelta(seconds=1)
    assert answer.as_of.microsecond == 0
    remote.answers["DELETE", "/v1/x"] = Raw(204, b"", {"Date": "soon"})
    assert (await api(remote.url).call("DELETE", "/v1/x")).as_of < datetime.now(UTC)


async def test_no_id_leads_elsewhere(remote: ProviderServer) -> None:
    path = path_of("v1", "subscriptions", "../../v1/refunds?x=1#y", "..")
    with pytest.raises(ProviderFailed, match="answered 404"):
        await api(remote.url).call("GET", path)
    [request] = remote.requests
    assert request.path == path == "/v1/subscriptions/%2E%2E%2F%2E%2E%2Fv1%2Frefunds%3Fx%3D1%23y/%2E%2E"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "identity"


def test_the_key_is_in_no_representation(remote: ProviderServer) -> None:
    assert KEY not in repr(api(remote.url))
