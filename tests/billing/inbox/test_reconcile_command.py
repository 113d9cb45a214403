"""`credit-ledger billing reconcile`: what it says, and with which status it ends."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from tests.billing.calls.provider_server import ProviderServer, Raw
from tests.billing.calls.serving import serve
from tests.billing.inbox.desk import Desk, events_told
from tests.billing.lives import ADA, NOW, life
from tests.commands import Finished, command

SINCE = ("--since", "2026-11-27")


async def told(database: str, settings: dict[str, str], *arguments: str) -> Finished:
    asked: Any = ("billing", "reconcile", *arguments)
    return await asyncio.to_thread(command, database, *asked, settings=settings)


def key(name: str, remote: ProviderServer) -> dict[str, str]:
    known = {f"CREDIT_LEDGER_{name}_API_KEY": "sk_s3cret", f"CREDIT_LEDGER_{name}_API_URL": remote.url}
    return known | ({"CREDIT_LEDGER_LEMONSQUEEZY_STORE": "7"} if name == "LEMONSQUEEZY" else {})


async def test_what_no_webhook_told_is_put_down_and_applied(desk: Desk, remote: ProviderServer, database: str) -> None:
    await desk.open(ADA.account_id)
    one = life("stripe")
    one.buy_package()
    serve(remote, "stripe", events_told("stripe", ADA, one.steps))
    first = await told(database, key("STRIPE", remote), *SINCE)
    assert first.out == "stripe: 1 delivery read, 1 new, which the running service applies\n"
    assert first.err == ""
    desk.clock.now = max(NOW, datetime.now(UTC))  # the command has the time of the machine
    await desk.apply()
    assert await desk.available(ADA.account_id) == 500
    again = await told(database, key("STRIPE", remote), *SINCE, "--provider", "stripe", "--json")
    assert again.report == {"provider": "stripe", "read": 1, "new": 0, "subscriptions": 0, "unknown": []}


async def test_a_provider_that_fails_does_not_keep_others_from_being_read(
    desk: Desk, remote: ProviderServer, database: str
) -> None:
    serve(remote, "stripe", events_told("stripe", ADA, []))
    remote.answers["GET", "/payments"] = Raw(401, b'{"message": "wrong key sk_s3cret"}')
    done = await told(database, key("STRIPE", remote) | key("DODO", remote), *SINCE)
    assert (done.status, done.out) == (1, "stripe: 0 deliveries read, nothing new\n")
    assert done.err == "credit-ledger: Dodo Payments answered 401: wrong key [key].\n"


async def test_what_cannot_be_asked_is_told_before_anything_is_read(database: str, remote: ProviderServer) -> None:
    for arguments, settings, said in (
        ((), {}, "no provider can be read: set CREDIT_LEDGER_STRIPE_API_KEY as for the service"),
        (("--provider", "dodo"), key("STRIPE", remote), "set CREDIT_LEDGER_DODO_API_KEY as for the service"),
        (("--provider", "paddle"), key("STRIPE", remote), "choose from dodo, lemonsqueezy, stripe"),
        (("--since", "yesterday"), key("STRIPE", remote), "must be a time with its offset"),
        (("--since", "2026-11-27T12:00:00"), key("STRIPE", remote), "must be a time with its offset"),
    ):
        done = await told(database, settings, *arguments)
        assert done.status == 2, arguments
        assert said in " ".join(done.err.replace("│", "").split()), arguments
    assert remote.requests == []
