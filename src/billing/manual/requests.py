"""Requests for payments: a checkout that a subscription asks for, to renew it or to change it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from billing.calls.calls import HostedPage
from billing.checkouts import table as checkouts
from billing.checkouts.checkout import MANUAL, Bought
from billing.checkouts.table import About, Connection, Origin, Payable, Ways
from billing.manual.subscription import Subscription
from billing.manual.table import Receipt
from billing.plans import Price

PageOf = Callable[[str, str], str]
"""The path of the page of a checkout, from its account and its id."""
BY = "provider:manual"
"""Who makes requests, and who takes payments of nothing."""
_CHANGE_LASTS = timedelta(days=7)
"""How long the price of a change holds: it is for the time that was left."""


def nothing_to_pay(now: datetime) -> Receipt:
    """The receipt of what costs nothing."""
    return Receipt(BY, now.date(), 0)


async def request(
    connection: Connection,
    one: Subscription,
    key: str,
    payable: Payable,
    about: About,
    page_of: PageOf,
    now: datetime,
) -> str | None:
    """Ask for a payment. Returns the checkout; None when there is one with this key."""
    origin = Origin(one.account_id, key, bytes(32), BY, now)
    checkout_id = await checkouts.add(connection, origin, payable, Ways(MANUAL), about)
    if checkout_id is not None:
        page = HostedPage(page_of(one.account_id, checkout_id), checkout_id)
        await checkouts.opened(connection, checkout_id, page)
    return checkout_id


def renewal(
    one: Subscription, bought: Bought, price: Price, period: tuple[datetime, datetime], until: datetime
) -> tuple[str, Payable, About]:
    """The key and the parts of a request to renew a subscription as something. After another word it is another one."""
    key = f"renewal:{one.subscription_id}:{one.told_at.isoformat()}"
    payable = Payable(bought, price.amount_minor * bought.quantity, price.currency, until)
    return key, payable, About("renewal", one.subscription_id, *period)


def change(
    one: Subscription, bought: Bought, amount_minor: int, currency: str, key: str, now: datetime, *, live: bool
) -> tuple[str, Payable, About]:
    """The key and the parts of a request to change a subscription now. It ends with the period, at the latest.

    `live`: its price counts real money alone. In the test mode it is another request.
    """
    until = now + _CHANGE_LASTS
    payable = Payable(bought, amount_minor, currency, min(until, one.period_end or until))
    mode = "" if live else "test:"
    return f"change:{mode}{one.subscription_id}:{key}", payable, About("change", one.subscription_id, live=live)
