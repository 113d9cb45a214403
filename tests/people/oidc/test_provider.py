"""The provider as a service: it changes its keys, goes away, comes back, and says things that nobody should believe."""

from threading import Event
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from people.oidc import http
from people.oidc.http import LARGEST_ANSWER
from people.oidc.provider import AWAY, FRESH, Provider
from people.oidc.words import CameIn, Client, ProviderAway
from tests.billing.calls.provider_server import Raw
from tests.people.letters import HERE
from tests.people.oidc.forger import CLIENT, OTHER_KEY, REDIRECT, SECRET, Forger, Product

DISCOVERY = ("GET", "/.well-known/openid-configuration")


async def test_keys_that_change_at_the_provider_are_followed(product: Product) -> None:
    """With another id, with the same one, and of another kind; asked for once in an hour otherwise."""
    sign_ins, forger = product.sign_ins(), product.forger

    async def came_in() -> bool:
        begun, answer = await product.begin(sign_ins)
        return isinstance(await sign_ins.finish(answer, begun.cookie, REDIRECT, HERE, ""), CameIn)

    for _ in range(2):
        assert await came_in()
    assert [path for _, path in forger.server.asked()].count("/keys") == 1
    second = RSAKey.generate_key(2048, {"kid": "second"})
    curve = ECKey.generate_key("P-256", {"kid": "curve"})
    for key, header in (
        (second, {"alg": "PS256", "kid": "second"}),
        (OTHER_KEY, {"alg": "RS256", "kid": "first"}),
        (curve, {"alg": "ES256", "kid": "curve"}),
    ):
        forger.key, forger.header = key, header  # type: ignore[assignment]  # of any kind
        assert await came_in(), header
    assert [path for _, path in forger.server.asked()].count("/keys") == 3


async def test_a_provider_that_goes_away_is_remembered(forger: Forger) -> None:
    now = 1_000.0
    provider = Provider(Client(forger.issuer, CLIENT, SECRET), lambda: now)
    first = await provider.metadata()
    forger.server.answers[DISCOVERY] = Raw(503, b"")
    now += FRESH + 1
    assert await provider.metadata() == first
    forger.server.asked()
    now += FRESH - 1
    assert await provider.metadata() == first
    assert forger.server.asked() == []
    forger.open()
    now += 2
    await provider.metadata()
    assert forger.server.asked() == [DISCOVERY, ("GET", "/keys")]


async def test_one_that_was_never_there_is_asked_again_in_five_seconds(forger: Forger) -> None:
    now = 1_000.0
    provider = Provider(Client(forger.issuer, CLIENT, SECRET), lambda: now)
    forger.server.answers[DISCOVERY] = Raw(503, b"")
    for _ in range(3):
        with pytest.raises(ProviderAway):
            await provider.metadata()
    assert forger.server.asked() == [DISCOVERY]
    forger.open()
    now += AWAY + 1
    assert (await provider.metadata()).token == f"{forger.issuer}/token"


def _discovered(forger: Forger, **changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = forger.server.answers[DISCOVERY]
    return {**told, **changes}


async def test_what_a_provider_says_wrong_is_no_provider(forger: Forger) -> None:
    good = forger.server.answers[DISCOVERY]
    bad = [
        *(Raw(200, content) for content in (b"", b"[]", b"null", b"<html>", b'{"issuer": 1}')),
        Raw(500, b"{}"),
        Raw(302, b"", {"location": f"{forger.issuer}/elsewhere"}),
        Raw(200, b" " * (LARGEST_ANSWER + 1)),
        Raw(200, b'{"issuer": "x"}', cut=True),
        _discovered(forger, issuer="https://evil.example"),
        _discovered(forger, issuer=f"{forger.issuer}/"),
        _discovered(forger, token_endpoint=None),
        _discovered(forger, jwks_uri="file:///etc/passwd"),
        _discovered(forger, authorization_endpoint="javascript:alert(1)"),
        _discovered(forger, jwks_uri=f"{forger.issuer}/nothing"),
    ]
    for answer in bad:
        forger.server.answers[DISCOVERY] = answer
        with pytest.raises(ProviderAway):
            await Provider(Client(forger.issuer, CLIENT, SECRET)).metadata()
    forger.server.answers[DISCOVERY] = good
    broken = {"kty": "RSA", "n": "!"}
    unusable: list[Any] = [{}, {"keys": []}, {"keys": [{"kty": "new"}]}, {"keys": 7}, {"keys": [broken]}]
    for keys in unusable:
        forger.server.answers["GET", "/keys"] = keys
        with pytest.raises(ProviderAway):
            await Provider(Client(forger.issuer, CLIENT, SECRET)).metadata()
    with pytest.raises(ProviderAway, match="cannot be reached"):
        await Provider(Client("http://127.0.0.1:1", CLIENT, SECRET)).metadata()


async def test_a_provider_that_does_not_answer_is_not_waited_for(
    forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", 0.05)
    over = Event()
    forger.server.answers[DISCOVERY] = lambda _: Raw(200 if over.wait(30) else 500)
    with pytest.raises(ProviderAway, match="did not answer"):
        await Provider(Client(forger.issuer, CLIENT, SECRET)).metadata()
    over.set()


async def test_a_client_that_the_provider_refuses_is_for_operators_to_repair(product: Product) -> None:
    for answer in (Raw(401, b'{"error": "invalid_client"}'), Raw(500, b"{}"), Raw(200, b"{}"), Raw(200, b"no")):
        product.forger.server.answers["POST", "/token"] = answer
        with pytest.raises(ProviderAway) as error:
            await product.sign_in()
        assert SECRET not in str(error.value)


async def test_the_secret_goes_where_the_provider_takes_it(product: Product) -> None:
    changed = _discovered(product.forger, token_endpoint_auth_methods_supported=["client_secret_post"])
    product.forger.server.answers[DISCOVERY] = changed
    await product.sign_in()
    sent = product.forger.token_request()
    assert (sent["client_secret"], sent["authorization"]) == (SECRET, "")


async def test_the_way_out_is_known_while_the_provider_is_there(product: Product) -> None:
    back = "https://ledger.example/dashboard/sign-in"
    found = await product.sign_ins().way_out(back, "an.id.token")
    assert found is not None
    assert found.startswith(f"{product.forger.issuer}/sign-out?client_id=the-ledger&post_logout_redirect_uri=https%3A")
    assert found.endswith("&id_token_hint=an.id.token")
    assert await product.sign_ins().way_out(back, None) == found.removesuffix("&id_token_hint=an.id.token")
    product.forger.server.answers[DISCOVERY] = _discovered(product.forger, end_session_endpoint=None)
    assert await product.sign_ins().way_out(back, None) is None
    product.forger.server.answers[DISCOVERY] = Raw(503, b"")
    assert await product.sign_ins().way_out(back, None) is None
