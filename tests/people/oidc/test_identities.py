"""Who comes in: people with the account of their claim, users with a verified address, operators by claim."""

from typing import Any

import pytest

from people.errors import AccessRefused
from people.oidc.words import CameIn, ClaimIs, LinkMailed, NotVouchedFor, ProviderOperator, Wish
from people.sessions import Session, Sessions
from people.sign_in.passwords import Passwords
from people.sign_in.users import NewUser, UserChanges
from people.sign_in.ways_back import HOME, WayBack
from tests.conftest import Clock
from tests.people.letters import HERE, PASSWORD, Town
from tests.people.oidc.forger import REDIRECT, Product

ADA = "ada@example.com"


async def session(product: Product, came: CameIn | LinkMailed) -> Session:
    assert isinstance(came, CameIn)
    found = await Sessions(product.ledger.log, product.clock).find(came.cookie)
    assert found is not None
    assert found.open(product.clock())
    return found


async def rows(product: Product, statement: str) -> list[tuple[Any, ...]]:
    async with product.ledger.log.connection() as connection:
        return await (await connection.execute(statement.encode())).fetchall()


async def test_the_account_is_that_of_the_claim_and_is_opened_once(product: Product) -> None:
    for _ in range(2):
        found = await session(product, await product.sign_in(sub="auth0|5f7c8ec7c33c6c004bbafe82"))
        assert (found.account_id, found.user_id) == ("auth0|5f7c8ec7c33c6c004bbafe82", None)
    opened = await product.ledger.account_at("auth0|5f7c8ec7c33c6c004bbafe82")
    assert opened is not None
    assert opened.account.balance.available == 100
    product.options["account_claim"] = "https://product.example/customer"
    claims = {"https://product.example/customer": "acme"}
    assert (await session(product, await product.sign_in(**claims))).account_id == "acme"


async def test_a_verified_address_that_nobody_has_makes_a_user_who_stays_the_same(product: Product) -> None:
    product.forger.about = {"email": "Ada@Example.com", "email_verified": True, "name": "Ada"}
    first = await session(product, await product.sign_in())
    assert await rows(product, "SELECT user_id, email, name, password_hash FROM people.users") == [
        (first.user_id, ADA, "Ada", None)
    ]
    product.forger.about = {"email": "new@example.com", "email_verified": True}
    again = await session(product, await product.sign_in())
    assert again.user_id == first.user_id
    product.forger.about = {}
    other = await session(product, await product.sign_in(sub="another"))
    assert (other.user_id, other.account_id) == (None, "another")


async def test_an_address_never_links_by_itself(product: Product, clock: Clock) -> None:
    """Whoever says at the provider that Ada's address is theirs, verified or not, is not Ada here."""
    town = Town(product.ledger, clock, Passwords())
    await town.people.registrations.register(ADA, PASSWORD, "Ada", HERE)
    ada = await town.people.registrations.verify(town.token(ADA, "verification"), PASSWORD, HERE, "token")
    found = await session(product, await product.sign_in(sub="eve", email=ADA, email_verified=True))
    assert (found.user_id, found.account_id) == (None, "eve")
    assert await rows(product, "SELECT * FROM people.identities") == []
    assert product.letters == []

    product.options["link_by_email"] = True
    assert await product.sign_in(sub="ada-there", email=ADA, email_verified=True) == LinkMailed(ADA)
    assert "ada-there" not in product.opened, "nobody came in yet"
    assert [letter.recipient for letter in product.letters] == [ADA]
    await product.sign_ins().join(product.letters[0].body.split("/join/")[1].split()[0])
    done = [action for (action,) in await rows(product, "SELECT action FROM people.audit ORDER BY entry_id")]
    assert done == ["user.registered", "user.signed_in", "user.sign_in_joined"]
    joined = await session(product, await product.sign_in(sub="ada-there"))
    assert (joined.user_id, joined.account_id) == (ada.user.user_id, "ada-there")


async def test_whom_the_product_made_under_a_name_comes_in_as_that_user(product: Product, clock: Clock) -> None:
    """With whatever address: the product says the name here and there. Who is disabled does not come in."""
    users = Town(product.ledger, clock, Passwords()).people.users
    made = (await users.make("key:01234567", NewUser(ADA, "Ada", "auth0|ada"))).user
    found = await session(product, await product.sign_in(sub="auth0|ada", email="new@example.com", email_verified=True))
    assert (found.user_id, found.account_id) == (made.user_id, "auth0|ada")
    await users.change("key:01234567", made.user_id, UserChanges(external_id="another"))
    assert (await session(product, await product.sign_in(sub="auth0|ada"))).user_id == made.user_id
    await users.change("key:01234567", made.user_id, UserChanges(status="disabled"))
    with pytest.raises(AccessRefused, match="disabled"):
        await product.sign_in(sub="auth0|ada")


async def test_a_change_of_the_address_ends_a_link(product: Product, clock: Clock) -> None:
    product.options["link_by_email"] = True
    await product.sign_in(sub="first", email=ADA, email_verified=True)
    assert await product.sign_in(sub="second", email=ADA, email_verified=True) == LinkMailed(ADA)
    async with product.ledger.log.connection() as connection:
        await connection.execute("UPDATE people.users SET email = 'new@example.com'")
    token = product.letters[0].body.split("/join/")[1].split()[0]
    assert not await product.sign_ins().is_joinable(token)


async def test_operators_are_whom_a_claim_names(product: Product) -> None:
    product.options |= {"reads": ClaimIs.of("groups:readers"), "acts": ClaimIs.of("https://a.example/role:admin")}
    cases: list[tuple[dict[str, Any], list[str] | None]] = [
        ({"groups": ["others", "readers"]}, ["ledger:read"]),
        ({"groups": "readers"}, ["ledger:read"]),
        ({"groups": "readers of news"}, None),
        ({"groups": {"readers": True}}, None),
        ({"groups": ["readers"], "https://a.example/role": "admin"}, ["admin"]),
        ({"https://a.example/role": ["Admin"]}, None),
        ({}, None),
    ]
    for claims, scopes in cases:
        product.forger.about = claims
        found = await session(product, await product.sign_in())
        assert found.scopes == scopes, claims
        assert (found.account_id is None) == (scopes is not None)
        assert found.subject == "ada"
    assert ProviderOperator("ada", "ada", frozenset(["ledger:read"])).actor == "oidc:ada"
    for wrong in ("groups", "groups:", ":readers"):
        with pytest.raises(ValueError, match=wrong):
            ClaimIs.of(wrong)


async def test_a_session_from_a_provider_lasts_twelve_hours_however_it_is_used(product: Product, clock: Clock) -> None:
    came = await product.sign_in(email=ADA, email_verified=True)
    assert isinstance(came, CameIn)
    found = Sessions(product.ledger.log, product.clock)
    for hours, is_open in ((11, True), (2, False)):
        clock.forward(hours=hours)
        session = await found.find(came.cookie)
        assert session is not None
        assert session.open(clock()) == is_open


async def test_the_database_has_no_secret_of_a_sign_in(product: Product) -> None:
    sign_ins = product.sign_ins()
    begun, answer = await product.begin(sign_ins)
    stored = str(await rows(product, "SELECT r::text FROM people.provider_requests AS r"))
    for secret in (begun.cookie, answer["state"], product.forger.nonce):
        assert secret not in stored


async def test_the_way_back_is_bound_to_the_browser_and_to_the_state(product: Product) -> None:
    """Whoever changes it in the cookie ends no sign-in. The provider asks again who wants to confirm something."""
    sign_ins = product.sign_ins()
    of_team = WayBack(account=f"team_{'0' * 20}", page="team")
    for back in (HOME, WayBack("an_invitation-1"), WayBack(settings=True), of_team):
        begun, answer = await product.begin(sign_ins, Wish(back, again=back.settings))
        assert ("prompt=login" in begun.url) == back.settings
        secret, _, word = begun.cookie.partition(".")
        for changed in (secret, f"{secret}.invitation.evil", f"{begun.cookie}x", f"x.{word}"):
            with pytest.raises(NotVouchedFor):
                await sign_ins.finish(answer, changed, REDIRECT, HERE, "")
        came = await sign_ins.finish(answer, begun.cookie, REDIRECT, HERE, "")
        assert isinstance(came, CameIn)
        assert came.back == back


async def test_no_mail_that_joins_leads_to_an_invitation_of_somebody_else(product: Product) -> None:
    product.options["link_by_email"] = True
    await product.sign_in(sub="first", email=ADA, email_verified=True)
    product.forger.claims = {"sub": "second", "email": ADA, "email_verified": True}
    sign_ins = product.sign_ins()
    begun, answer = await product.begin(sign_ins, Wish(WayBack("of_somebody_else")))
    assert await sign_ins.finish(answer, begun.cookie, REDIRECT, HERE, "") == LinkMailed(ADA)
    assert "invitation" not in product.letters[-1].body


async def test_the_id_token_is_kept_for_the_way_out_and_no_longer(product: Product) -> None:
    came = await product.sign_in(email=ADA, email_verified=True)
    assert isinstance(came, CameIn)
    [(stored,)] = await rows(product, "SELECT id_token FROM people.sessions")
    assert stored.count(".") == 2
    sessions = Sessions(product.ledger.log, product.clock)
    assert await sessions.end(came.cookie) == stored
    assert await sessions.end(came.cookie) is None
    assert await rows(product, "SELECT id_token FROM people.sessions") == [(None,)]
    await product.sign_in(padding="x" * 6_000)
    assert await rows(product, "SELECT id_token FROM people.sessions WHERE ended_at IS NULL") == [(None,)]
