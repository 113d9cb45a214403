"""Whatever is posted, reading ends with facts or with the path of what is missing, and verifying with yes or no."""

import hmac
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.facts import Incomplete, about, joined, things
from billing.known_providers import PROVIDERS
from billing.providers.provider import NotGenuine
from tests.billing.lives import NOW, SECRETS, SIMULATED, provider, read, scenario

Path = tuple[str | int, ...]
HEADERS = [
    "stripe-signature",
    "paddle-signature",
    "x-signature",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.sampled_from([2**53, 10**30, 253_402_300_800, -1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        ["", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "\x00", "a" * 300, "²", "2026-02-30"]
    ),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "data", "object"]), inner),
    max_leaves=6,
)


def paths(value: Any, here: Path = ()) -> Iterator[Path]:
    """The path of everything in a JSON value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    yield here
    for name, child in children:
        yield from paths(child, (*here, name))


@cache
def payloads(name: str) -> list[tuple[Any, list[Path]]]:
    """A payload of each type, with its paths."""
    found = {event.type: event.payload for event in scenario(name, "shuffle")}
    return [(payload, list(paths(payload))) for payload in found.values()]


@st.composite
def spoiled(draw: Callable[..., Any], name: str) -> Any:
    """A genuine payload in which up to three things are something else."""
    payload, places = draw(st.sampled_from(payloads(name)))
    payload = deepcopy(payload)
    for path in draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        payload = replaced(payload, path, draw(anything))
    return payload


def replaced(value: Any, path: Path, other: Any) -> Any:
    """The same value with another at a path, if the path still leads somewhere."""
    if not path:
        return other
    try:
        value[path[0]] = replaced(value[path[0]], path[1:], other)
    except (KeyError, IndexError, TypeError):
        return value
    return value


@pytest.mark.parametrize("name", SIMULATED)
@settings(max_examples=100)
@given(st.data())
def test_a_spoiled_payload_is_read_or_its_missing_path_is_named(name: str, data: st.DataObject) -> None:
    payload = data.draw(spoiled(name))
    try:
        facts = read(name, json.dumps(payload).encode())
    except Incomplete as error:
        assert error.path  # noqa: PT017  # either way is right
        return
    assert all(things(fact) and about(fact) for fact in facts)
    assert joined([*facts, *facts]) == joined(facts)
    for text in (text for fact in facts for text in things(fact)):
        assert text.isprintable()  # PostgreSQL takes no NUL
        assert len(text) < 300


@pytest.mark.parametrize("name", PROVIDERS)
@settings(max_examples=50)
@given(body=st.binary(max_size=40) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_its_missing_path_is_named(name: str, body: bytes) -> None:
    try:
        assert read(name, body) == []
    except Incomplete as error:
        assert error.path  # noqa: PT017  # either way is right


@pytest.mark.parametrize("name", PROVIDERS)
@settings(max_examples=50)
@given(
    headers=st.dictionaries(
        st.sampled_from(HEADERS), st.text(max_size=60) | st.from_regex(r"(t|ts)=\d+[,;](v1|h1)=\w+")
    ),
    body=st.binary(max_size=20),
)
def test_nothing_that_is_made_up_is_genuine(name: str, headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(NotGenuine):
        provider(name).verify(headers, body, NOW)


@pytest.mark.parametrize("name", SECRETS)
def test_whoever_signs_with_an_empty_key_is_refused(name: str) -> None:
    """A signature that anybody can make, because its key is known: that of no key at all."""
    seconds = str(int(NOW.timestamp()))
    signed = {"stripe": f"{seconds}.{{}}", "paddle": f"{seconds}:{{}}", "lemonsqueezy": "{}"}
    plain = {form: hmac.new(b"", text.encode(), sha256).hexdigest() for form, text in signed.items()}
    headers = {
        "stripe-signature": f"t={seconds},v1={plain['stripe']}",
        "paddle-signature": f"ts={seconds};h1={plain['paddle']}",
        "x-signature": plain["lemonsqueezy"],
        "webhook-id": "msg_1",
        "webhook-timestamp": seconds,
        "webhook-signature": "v1,",
    }
    with pytest.raises(NotGenuine):
        PROVIDERS[name](()).verify(headers, b"{}", NOW)
    with pytest.raises(NotGenuine):
        provider(name).verify(headers, b"{}", NOW)
