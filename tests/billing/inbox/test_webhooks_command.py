"""`credit-ledger billing status`, `webhooks` and `retry`."""

import asyncio

from tests.billing.inbox.desk import Desk, events_told
from tests.billing.inbox.test_receiving import ADA
from tests.billing.lives import life
from tests.commands import Finished, command


async def told(database: str, *arguments: str) -> Finished:
    return await asyncio.to_thread(command, database, "billing", *arguments)


async def test_what_waits_is_listed_and_tried_again(desk: Desk, database: str) -> None:
    """koala73/worldmonitor#4772: nobody could list what was not applied."""
    assert (await told(database, "status")).out == "nothing waits\n"
    one = life("stripe")
    one.buy_package()
    await desk.deliver_all("stripe", events_told("stripe", ADA, one.steps))
    webhook = await desk.only()

    status = await told(database, "status")
    sentence = "Nothing says which account it is for, or there is no such account."
    assert status.out == f"1 webhook since 2026-11-30 12:00:00Z: {sentence}\n"
    [counted] = (await told(database, "status", "--json")).report
    assert (counted["reason"], counted["count"]) == ("unknown_account", 1)

    listed = await told(database, "webhooks")
    assert listed.out == (
        f"2026-11-30 12:00:00Z {webhook.webhook_id} stripe checkout.session.completed waiting: {sentence} (ada)\n"
    )
    assert (await told(database, "webhooks", "--provider", "dodo")).out == ""
    assert (await told(database, "webhooks", "--state", "all", "--json")).report["webhook_id"] == webhook.webhook_id
    assert (await told(database, "webhooks", "--state", "lost")).status == 2

    tried = await told(database, "retry", webhook.webhook_id, "whk_none")
    assert (tried.status, tried.out) == (1, f"{webhook.webhook_id}: will be tried again\n")
    assert "whk_none: there is no such webhook, or it has been applied" in tried.err
    assert (await desk.only()).state == "new"
