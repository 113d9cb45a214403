"""Forged sign-ins: nobody comes in with what the provider did not say, just now, to us, about the one who asked."""

import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from time import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from people.errors import AccessRefused
from people.oidc.words import CameIn, LinkMailed, NotVouchedFor
from tests.conftest import Clock
from tests.people.letters import HERE
from tests.people.oidc.forger import CLIENT, OTHER_KEY, REDIRECT, SECRET, Claims, Forger, Product, compact

Sign = Callable[[Forger, Claims], str]


async def came_in(product: Product, **claims: Any) -> bool:
    try:
        return isinstance(await product.sign_in(**claims), CameIn)
    except NotVouchedFor:
        return False


async def sessions(product: Product) -> int:
    async with product.ledger.log.connection() as connection:
        row = await (await connection.execute("SELECT count(*) FROM people.sessions")).fetchone()
        assert row is not None
        return int(row[0])


def wrong_claims(now: int) -> list[Claims]:
    """Each is wrong by itself."""
    return [
        *({"nonce": nonce} for nonce in (None, "", "another", ["n"], 1)),
        *({"aud": audience} for audience in (None, "", "another", [], ["another"], {CLIENT: 1}, f"{CLIENT} ")),
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"azp": "another"},
        *({"iss": issuer} for issuer in (None, "", "https://evil.example", "http://127.0.0.1", ["x"])),
        *({"exp": moment} for moment in (None, 0, now - 120, "9999999999", True, float("inf"), float("nan"))),
        *({"iat": moment} for moment in (None, now + 600, "0", float("inf"))),
        *({"sub": subject} for subject in (None, "", 7, "a" * 256, "a\nb", "ä", ["ada"])),
        *({"sub": account} for account in ("usr_0123456789abcdef0123", "team_0123456789abcdef0123", "..", "a/../b")),
    ]


async def test_claims_that_are_wrong(product: Product) -> None:
    """One after the other, and at the end what is right."""
    now = int(time())
    for claims in wrong_claims(now):
        assert not await came_in(product, **claims), claims
    assert not await came_in(product, iss=f"{product.forger.issuer}/")
    assert (await sessions(product), product.opened) == (0, [])
    for claims in ({}, {"aud": [CLIENT]}, {"aud": [CLIENT, "b"], "azp": CLIENT}, {"exp": now - 10}, {"iat": now + 30}):
        assert await came_in(product, **claims), claims


def unsigned(_: Forger, claims: Claims) -> str:
    return compact({"alg": "none"}, claims)


def no_algorithm(_: Forger, claims: Claims) -> str:
    return compact({"kid": "first"}, claims)


def with_secret(secret: bytes, alg: str = "HS256") -> Sign:
    """Signed with what should be public, or is shared."""

    def sign(_: Forger, claims: Claims) -> str:
        signed = compact({"alg": alg, "kid": "first"}, claims).removesuffix(".")
        return compact({"alg": alg, "kid": "first"}, claims, hmac.digest(secret, signed.encode(), "sha256"))

    return sign


def with_public_key(forger: Forger, claims: Claims) -> str:
    return with_secret(forger.key.as_pem(private=False))(forger, claims)


def with_jwk(forger: Forger, claims: Claims) -> str:
    return with_secret(json.dumps(forger.key.as_dict(private=False)).encode())(forger, claims)


def own_key_in_header(_: Forger, claims: Claims) -> str:
    header = {"alg": "RS256", "kid": "first", "jwk": OTHER_KEY.as_dict(private=False)}
    return jwt.encode(header, claims, OTHER_KEY)


def with_other_key(_: Forger, claims: Claims) -> str:
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, OTHER_KEY)


def unknown_kid(forger: Forger, claims: Claims) -> str:
    return jwt.encode({"alg": "RS256", "kid": "second"}, claims, forger.key)


def changed(forger: Forger, claims: Claims) -> str:
    head, _, signature = jwt.encode(forger.header, claims, forger.key).split(".")
    return f"{head}.{compact({}, {**claims, 'sub': 'root'}).split('.')[1]}.{signature}"


def symmetric(_: Forger, claims: Claims) -> str:
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))


def no_object(forger: Forger, _: Claims) -> str:
    return "W10.W10.W10"


FORGED: list[Sign] = [
    *(unsigned, no_algorithm, with_public_key, with_jwk, with_secret(b""), with_secret(SECRET.encode(), "RS256")),
    *(own_key_in_header, with_other_key, unknown_kid, changed, symmetric, no_object),
    *(
        lambda _, __, text=text: text
        for text in ("", ".", "..", "a.b", "a.b.c.d.e", "ä.ö.ü", "e30.e30.e30", "{}" * 90_000)
    ),
]


async def test_signatures_that_are_wrong(product: Product) -> None:
    for number, sign in enumerate(FORGED):
        product.forger.sign = sign
        assert not await came_in(product), (number, sign.__name__)
    product.forger.sign = None
    assert await came_in(product)
    assert await sessions(product) == 1


async def test_keys_of_another_kind_sign_nothing(product: Product) -> None:
    """A provider whose set has a shared secret: it is not used."""
    secret = OctKey.import_key("a secret in public", {"kid": "shared"})
    keys = {"keys": [secret.as_dict(private=True), product.forger.key.as_dict(private=False)]}
    product.forger.server.answers["GET", "/keys"] = keys
    product.forger.sign = lambda _, claims: jwt.encode({"alg": "HS256", "kid": "shared"}, claims, secret)
    assert not await came_in(product)


async def test_an_answer_counts_once_and_in_the_browser_that_began(product: Product, clock: Clock) -> None:
    sign_ins = product.sign_ins()

    async def refused(answer: dict[str, str], cookie: str | None) -> str:
        with pytest.raises(NotVouchedFor) as error:
            await sign_ins.finish(answer, cookie, REDIRECT, HERE, "")
        return str(error.value)

    begun, answer = await product.begin(sign_ins)
    other, of_other = await product.begin(sign_ins)
    for state, cookie in (
        (answer["state"], None),
        (answer["state"], ""),
        (answer["state"], other.cookie),
        (of_other["state"], begun.cookie),
        ("", begun.cookie),
        ("another", begun.cookie),
    ):
        assert "began no such" in await refused({**answer, "state": state}, cookie)
    assert "began no such" in await refused({"code": "a code"}, begun.cookie)
    assert product.forger.server.asked() == [("GET", "/.well-known/openid-configuration"), ("GET", "/keys")]

    _, answer = begun, {**answer, "iss": "https://evil.example"}
    assert "another issuer" in await refused(answer, begun.cookie)
    assert "began no such" in await refused({**answer, "iss": product.forger.issuer}, begun.cookie), "once"
    for change in ({"iss": None}, {"error": "access_denied"}, {"code": None}, {"code": ""}):
        begun, answer = await product.begin(sign_ins)
        given = {name: value for name, value in (answer | change).items() if value is not None}
        assert await refused(given, begun.cookie)
    begun, answer = await product.begin(sign_ins)
    clock.forward(minutes=10)
    assert "began no such" in await refused(answer, begun.cookie)
    assert await sessions(product) == 0


async def test_the_code_is_exchanged_with_the_secrets_of_this_sign_in(product: Product) -> None:
    sign_ins = product.sign_ins()
    begun, answer = await product.begin(sign_ins)
    assert begun.url.startswith(
        f"{product.forger.issuer}/sign-in?realm=product&response_type=code&client_id=the-ledger&"
    )
    assert "code_challenge_method=S256" in begun.url
    assert isinstance(await sign_ins.finish(answer, begun.cookie, REDIRECT, HERE, ""), CameIn)
    sent = product.forger.token_request()
    assert (sent["code"], sent["redirect_uri"], sent["grant_type"]) == ("a code", REDIRECT, "authorization_code")
    assert sent["authorization"].startswith("Basic ")
    assert "client_secret" not in sent
    assert len(sent["code_verifier"]) == 43
    assert sent["code_verifier"] not in begun.url


async def test_a_code_that_was_used_or_is_of_somebody_else_is_refused(product: Product) -> None:
    told = {"error": "invalid_grant"}
    product.forger.server.answers["POST", "/token"] = lambda _: _refusal(told)
    assert not await came_in(product)


async def test_claims_of_somebody_else_at_the_userinfo_endpoint_are_refused(product: Product) -> None:
    product.forger.about = {"sub": "root", "groups": ["ledger-admins"]}
    assert not await came_in(product)


async def test_an_address_that_is_not_verified_is_no_address(product: Product) -> None:
    """Neither makes it a user, nor does it have a link mailed."""
    product.options["link_by_email"] = True
    unverified: list[Any] = [False, None, "true", "True", 1, [True], {}]
    for said in unverified:
        came = await product.sign_in(email="ada@example.com", email_verified=said)
        assert isinstance(came, CameIn)
    for email in ("", "ada", 7, "ada@example.com\nbcc: x@y.example", "a" * 260 + "@example.com", None):
        assert isinstance(await product.sign_in(email=email, email_verified=True), CameIn)
    async with product.ledger.log.connection() as connection:
        assert await (await connection.execute("SELECT * FROM people.users")).fetchall() == []
    assert product.letters == []


async def test_a_mailed_link_joins_once_and_no_longer_than_an_hour(product: Product, clock: Clock) -> None:
    sign_ins = product.sign_ins()
    assert not await sign_ins.is_joinable("never made")
    with pytest.raises(AccessRefused, match="link"):
        await sign_ins.join("never made")
    product.options["link_by_email"] = True
    await product.sign_in(sub="first", email="ada@example.com", email_verified=True)
    assert isinstance(await product.sign_in(sub="second", email="Ada@Example.com", email_verified=True), LinkMailed)
    token = product.letters[-1].body.split("/join/")[1].split()[0]
    assert await sign_ins.is_joinable(token)
    clock.forward(minutes=59)
    await sign_ins.join(token)
    with pytest.raises(AccessRefused, match="link"):
        await sign_ins.join(token)
    clock.forward(minutes=-59)
    assert isinstance(await product.sign_in(sub="third", email="ada@example.com", email_verified=True), LinkMailed)
    late = product.letters[-1].body.split("/join/")[1].split()[0]
    clock.now += timedelta(hours=1)
    assert not await sign_ins.is_joinable(late)


def _refusal(told: Claims) -> Any:
    from tests.billing.calls.provider_server import Raw

    return Raw(400, json.dumps(told).encode())
