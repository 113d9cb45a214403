"""The ways out of a refusal for want of credits: pages on which the holder of the account gets a better plan, or buys
credits. A way is told when the catalogue offers something there."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from urllib.parse import quote

import psycopg
from psycopg_pool import PoolTimeout

from api.contract.answers.billing.checkouts import Way, WayOut
from billing.catalog import Offers, offers
from ledger.domain.errors import Refusal
from ledger.store import EventLog

FRESH = 30.0
"""Seconds for which what the catalogue offers is remembered."""
PATIENCE = 1.0
"""Seconds for which a refusal waits until the catalogue is read."""
PLANS = "/dashboard/accounts/{}/plans"
_WAYS: Mapping[str, tuple[Way, ...]] = {"insufficient_credits": ("upgrade", "top_up"), "limit_reached": ("upgrade",)}
"""The refusals that have ways out, by their codes."""
_log = logging.getLogger("credit_ledger.catalog")


class WaysOut:
    """Knows the pages for an account. `product_page` is the product's own page of plans, if it has one."""

    def __init__(self, log: EventLog, public_url: str | None, product_page: str | None) -> None:
        self._log = log
        self._public_url = public_url
        self._product_page = product_page
        self._offers = Offers(plans=False, packages=False)
        self._fresh_until = 0.0
        self._reading: asyncio.Task[None] | None = None

    async def of(self, refusal: Refusal, account_id: str, root_path: str) -> list[WayOut]:
        """The ways out of a refusal; none when it has none, or when nothing is offered."""
        ways = _WAYS.get(refusal.code, ())
        if not ways:
            return []
        await self._refresh(asyncio.get_running_loop().time)
        offered = {"upgrade": self._offers.plans, "top_up": self._offers.packages}
        page = self._product_page or f"{self._public_url or root_path}{PLANS.format(quote(account_id, safe=''))}"
        packages = "" if self._product_page else "#packages"
        return [WayOut(way=way, url=page + (packages if way == "top_up" else "")) for way in ways if offered[way]]

    async def _refresh(self, now: Callable[[], float]) -> None:
        """Read what is offered, unless it is fresh. Who comes meanwhile waits for the same reading."""
        if now() < self._fresh_until:
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(self._reading)
        except (TimeoutError, psycopg.Error, PoolTimeout) as error:
            _log.debug("the catalogue cannot be read for a refusal: %s", error)
        else:
            self._fresh_until = now() + FRESH

    async def _read(self) -> None:
        async with self._log.connection() as connection:
            self._offers = await offers(connection)
