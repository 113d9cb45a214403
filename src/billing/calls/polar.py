"""The invoices of Polar. Nothing else is asked of it.

Polar writes the invoice of an order when it is asked to, and not before. Then it is final: the name and the address on
it are those that the order has at that moment.
"""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from billing.calls.access import Access
from billing.calls.calls import ProviderFailed
from billing.calls.http import NOT_FOUND, Api, path_of, status_of

_LIVE = "https://api.polar.sh"
_WRITING = (0.5, 1.0, 2.0, 4.0)
"""Seconds between two looks whether the invoice is there: it usually takes a few in all."""
_CONFLICT = 409


class PolarInvoices:
    """What Polar answers to an organization access token that may read orders (`orders:read`).

    `writing` are the seconds between two looks while it writes an invoice.
    """

    provider: ClassVar[str] = "polar"
    api: ClassVar[type[Api]] = Api

    def __init__(self, access: Access, writing: Sequence[float] = _WRITING) -> None:
        self._api = self.api("polar", "Polar", access.address or _LIVE, access.key, {})
        self._writing = writing

    async def invoice(self, payment_id: str) -> str | None:
        """The address of the PDF, which Polar writes now if it has not done so. None for an order that gets none.

        Raises ProviderFailed, also for an order without the name and the address of the buyer, and for an invoice that
        is not there in time.
        """
        path = path_of("v1", "orders", payment_id, "invoice")
        found = await self._address(path)
        if found is None and await self._is_written(path):
            return await self._awaited(path)
        return found

    async def _address(self, path: str) -> str | None:
        found = await self._api.find(path)
        return None if found is None else self._api.url(found.payload, "url")

    async def _is_written(self, path: str) -> bool:
        """Ask for the invoice. Whether there will be one: an order that is not paid gets none."""
        try:
            await self._api.call("POST", path)
        except ProviderFailed as error:
            if status_of(error) not in (NOT_FOUND, _CONFLICT):
                raise
            return False
        return True

    async def _awaited(self, path: str) -> str:
        for pause in self._writing:
            await asyncio.sleep(pause)
            found = await self._address(path)
            if found is not None:
                return found
        raise self._api.failed("writes the invoice, which is not there yet: ask again in a few seconds")
