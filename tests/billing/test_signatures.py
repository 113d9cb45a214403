"""A delivery is genuine when the provider's own library signed it with one of our secrets, and in no other case."""

import base64
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib import import_module
from typing import Any

import pytest

from billing.known_providers import PROVIDERS
from billing.providers.provider import NotGenuine
from tests.billing.lives import SECRETS

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ALL = sorted(PROVIDERS)
ANOTHER_SECRET = {
    "dodo": "whsec_" + base64.b64encode(b"another secret").decode(),
    "lemonsqueezy": "another secret",
    "paddle": "pdl_ntfset_another",
    "polar": "polar_whs_another",
    "stripe": "whsec_another",
}
SIGNED_ID = {name: ["webhook-id", "webhook-timestamp"] for name in ("dodo", "polar")}
"""The headers of which every byte is signed."""
SIGNED_TIME = {"stripe": "t", "paddle": "ts"}
"""What the signed time is called in the header of the signature."""
SIGNATURE = {
    "dodo": "webhook-signature",
    "lemonsqueezy": "X-Signature",
    "paddle": "Paddle-Signature",
    "polar": "webhook-signature",
    "stripe": "Stripe-Signature",
}
FAR = 360
"""Seconds beyond the tolerance."""


@dataclass(frozen=True)
class Sent:
    """What a provider posts."""

    headers: dict[str, str]
    body: bytes

    def with_header(self, name: str, value: str) -> "Sent":
        return replace(self, headers={**self.headers, name: value})


def libraries() -> Any:
    """The module tests.billing.libraries, which is imported when a test runs. See there."""
    return import_module("tests.billing.libraries")


def sign_stripe(body: bytes, secret: str, at: datetime) -> dict[str, str]:
    seconds = int(at.timestamp())
    made = libraries().stripe_signature(body, secret, seconds)
    return {"Stripe-Signature": f"t={seconds},v1={made}"}


def sign_dodo(body: bytes, secret: str, at: datetime) -> dict[str, str]:
    made = libraries().standard_signature(secret, at, body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": made}


def sign_polar(body: bytes, secret: str, at: datetime) -> dict[str, str]:
    """The key is the text of the secret, whatever it looks like."""
    made = libraries().standard_signature(secret.encode(), at, body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": made}


def sign_paddle(body: bytes, secret: str, at: datetime) -> dict[str, str]:
    """As documented."""
    seconds = int(at.timestamp())
    made = hmac.new(secret.encode(), f"{seconds}:".encode() + body, sha256).hexdigest()
    return {"Paddle-Signature": f"ts={seconds};h1={made}"}


def sign_lemonsqueezy(body: bytes, secret: str, at: datetime) -> dict[str, str]:
    """As documented: it has no library for Python."""
    return {"X-Signature": hmac.new(secret.encode(), body, sha256).hexdigest(), "X-Event-Name": "order_created"}


SIGN: dict[str, Callable[[bytes, str, datetime], dict[str, str]]] = {
    "dodo": sign_dodo,
    "lemonsqueezy": sign_lemonsqueezy,
    "paddle": sign_paddle,
    "polar": sign_polar,
    "stripe": sign_stripe,
}
BODY = b'{"id":"evt_1","event_id":"evt_2","type":"x","created":1,"n":"\xc3\xa9"}'


def sent(name: str, secret: str | None = None, at: datetime = NOW, body: bytes = BODY) -> Sent:
    return Sent(SIGN[name](body, secret or SECRETS[name], at), body)


def is_genuine(name: str, one: Sent, *secrets: str, now: datetime = NOW) -> bool:
    try:
        found = PROVIDERS[name](secrets or (SECRETS[name],)).verify(one.headers, one.body, now)
    except NotGenuine:
        return False
    assert found.body == one.body
    assert found.sha256 == sha256(one.body).hexdigest()
    return True


@pytest.mark.parametrize("name", ALL)
def test_what_the_provider_signed_is_genuine(name: str) -> None:
    assert is_genuine(name, sent(name))


def other_bytes(body: bytes) -> Iterator[bytes]:
    """Every body that differs in one byte, lacks one, or has one more."""
    for place, byte in enumerate(body):
        yield from (body[:place] + bytes([other]) + body[place + 1 :] for other in range(256) if other != byte)
        yield body[:place] + body[place + 1 :]
    yield from (body[:place] + b" " + body[place:] for place in range(len(body) + 1))


@pytest.mark.parametrize("name", ALL)
def test_every_change_of_a_byte_of_the_body_is_refused(name: str) -> None:
    signed = sent(name)
    assert [body for body in other_bytes(BODY) if is_genuine(name, replace(signed, body=body))] == []


@pytest.mark.parametrize(("name", "header"), [(name, header) for name, all_ in SIGNED_ID.items() for header in all_])
def test_every_change_of_a_byte_of_id_and_time_is_refused(name: str, header: str) -> None:
    signed = sent(name)
    value = signed.headers[header].encode()
    changed = [signed.with_header(header, other.decode("latin-1")) for other in other_bytes(value)]
    assert [one.headers[header] for one in changed if is_genuine(name, one)] == []


@pytest.mark.parametrize(("name", "field"), SIGNED_TIME.items())
def test_every_change_of_a_byte_of_a_time_beside_the_signature_is_refused(name: str, field: str) -> None:
    signed = sent(name)
    value = signed.headers[SIGNATURE[name]]
    time = str(int(NOW.timestamp()))
    for other in other_bytes(time.encode()):
        changed = value.replace(f"{field}={time}", f"{field}={other.decode('latin-1')}")
        assert not is_genuine(name, signed.with_header(SIGNATURE[name], changed)), changed


@pytest.mark.parametrize("name", ALL)
def test_every_change_of_a_character_of_the_signature_is_refused(name: str) -> None:
    signed = sent(name)
    header = SIGNATURE[name]
    value = signed.headers[header]
    begin = next((value.index(mark) + 3 for mark in ("v1", "h1") if mark in value), 0)
    end = len(value) - 2 if name in ("dodo", "polar") else len(value)  # the last bits of base64 are padding
    for place in range(begin, end):
        other = "0" if value[place] != "0" else "1"
        assert not is_genuine(name, signed.with_header(header, value[:place] + other + value[place + 1 :])), place


@pytest.mark.parametrize("name", ALL)
def test_two_secrets_are_good_while_one_is_replaced(name: str) -> None:
    old, new = SECRETS[name], ANOTHER_SECRET[name]
    for secret in (old, new):
        assert is_genuine(name, sent(name, secret), old, new)
        assert is_genuine(name, sent(name, secret), new, old)
    assert not is_genuine(name, sent(name, old), new)
    assert not is_genuine(name, sent(name, new), old)


def test_a_provider_may_sign_with_both_of_its_secrets() -> None:
    first, second = sent("stripe"), sent("stripe", ANOTHER_SECRET["stripe"])
    both = f"{second.headers['Stripe-Signature']},{first.headers['Stripe-Signature'].partition(',')[2]}"
    assert is_genuine("stripe", first.with_header("Stripe-Signature", both))
    one, other = sent("dodo"), sent("dodo", ANOTHER_SECRET["dodo"])
    signatures = f"v1a,{'A' * 88} {other.headers['webhook-signature']} {one.headers['webhook-signature']}"
    assert is_genuine("dodo", one.with_header("webhook-signature", signatures))


@pytest.mark.parametrize("name", ["dodo", "paddle", "polar", "stripe"])
def test_what_was_signed_long_ago_is_refused(name: str) -> None:
    signed = sent(name)
    assert is_genuine(name, signed, now=NOW + timedelta(seconds=299))
    assert not is_genuine(name, signed, now=NOW + timedelta(seconds=FAR))


@pytest.mark.parametrize(("name", "refused"), [("dodo", True), ("polar", True), ("paddle", False), ("stripe", False)])
def test_some_refuse_what_is_signed_for_the_future(name: str, refused: bool) -> None:  # noqa: FBT001
    """As their own libraries do."""
    assert is_genuine(name, sent(name), now=NOW - timedelta(seconds=299))
    assert is_genuine(name, sent(name), now=NOW - timedelta(seconds=FAR)) is not refused


def test_a_secret_of_polar_may_be_base64_as_well() -> None:
    """Its first secrets were: its own library tries both."""
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    for headers in (sign_dodo(BODY, secret, NOW), sign_polar(BODY, secret, NOW)):
        assert is_genuine("polar", Sent(headers, BODY), secret)


def test_lemon_squeezy_has_no_time_and_is_never_too_old() -> None:
    assert is_genuine("lemonsqueezy", sent("lemonsqueezy"), now=NOW + timedelta(days=1_000))


@pytest.mark.parametrize("name", ALL)
def test_a_delivery_without_one_of_its_headers_is_refused(name: str) -> None:
    signed = sent(name)
    for missing in signed.headers.keys() - {"X-Event-Name"}:
        others = {header: value for header, value in signed.headers.items() if header != missing}
        assert not is_genuine(name, replace(signed, headers=others))
        assert not is_genuine(name, signed.with_header(missing, ""))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "text", ["", "=", "v1,", "t=,v1=", "v1=ab", "t=1,v1=", "ts=1;h1=", "\x00", "é", ",,,", "t=" + "9" * 400]
)
def test_nonsense_is_refused(name: str, text: str) -> None:
    signed = sent(name)
    for header in signed.headers.keys() - {"X-Event-Name"}:
        assert not is_genuine(name, signed.with_header(header, text))


@pytest.mark.parametrize("name", ALL)
def test_the_names_of_headers_may_have_any_case(name: str) -> None:
    signed = sent(name)
    for change in (str.upper, str.lower, str.title):
        assert is_genuine(name, replace(signed, headers={change(key): value for key, value in signed.headers.items()}))


@pytest.mark.parametrize("name", ALL)
def test_without_a_secret_nothing_is_genuine(name: str) -> None:
    with pytest.raises(NotGenuine):
        PROVIDERS[name](()).verify(sent(name).headers, BODY, NOW)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("secret", ["", "  "])
def test_an_empty_secret_is_no_secret(name: str, secret: str) -> None:
    """With an empty key anybody could sign."""
    with pytest.raises(ValueError, match="secret"):
        PROVIDERS[name]((SECRETS[name], secret))


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64", "whsec_é"])
def test_a_secret_of_dodo_is_base64(secret: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        PROVIDERS["dodo"]((secret,))


@pytest.mark.parametrize("name", ALL)
def test_secrets_and_bodies_are_not_shown(name: str) -> None:
    provider = PROVIDERS[name]((SECRETS[name],))
    assert SECRETS[name] not in repr(provider)
    assert "evt_1" not in repr(replace(provider.verify(sent(name).headers, BODY, NOW), delivery_id="-"))


def test_a_header_with_very_many_signatures_is_refused() -> None:
    signed = sent("dodo")
    many = " ".join([signed.headers["webhook-signature"]] * 17)
    assert not is_genuine("dodo", signed.with_header("webhook-signature", many))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"null", b"[" * 2_000, b'"\xff'], ids=repr)
def test_a_genuine_body_need_not_be_json(name: str, body: bytes) -> None:
    """It is kept, and never refused with 400: dodopayments/dodo-adapters#128."""
    text = body.decode("latin-1").encode()
    delivery = PROVIDERS[name]((SECRETS[name],)).verify(sent(name, body=text).headers, text, NOW)
    assert (delivery.type, delivery.at, delivery.live) == ("", None, None)
    assert delivery.delivery_id == ("msg_1" if name in SIGNED_ID else sha256(text).hexdigest())


def test_the_id_of_a_delivery() -> None:
    """That of Dodo and Polar is in a header, that of Stripe and Paddle in the body; Lemon Squeezy has none."""
    ids = {name: PROVIDERS[name]((SECRETS[name],)).verify(sent(name).headers, BODY, NOW) for name in ALL}
    assert {name: found.delivery_id for name, found in ids.items()} == {
        "dodo": "msg_1",
        "lemonsqueezy": sha256(BODY).hexdigest(),
        "paddle": "evt_2",
        "polar": "msg_1",
        "stripe": "evt_1",
    }
    assert all(found.provider == name for name, found in ids.items())


def test_one_id_of_dodo_may_come_with_two_bodies() -> None:
    """Dodo sends the object as it is at the time of the delivery: the second attempt may have another body."""
    dodo = PROVIDERS["dodo"]((SECRETS["dodo"],))
    later = sent("dodo", body=BODY + b" ")
    one, other = dodo.verify(sent("dodo").headers, BODY, NOW), dodo.verify(later.headers, later.body, NOW)
    assert one.delivery_id == other.delivery_id
    assert one.sha256 != other.sha256
