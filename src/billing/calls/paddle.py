"""The invoices of Paddle. Nothing else is asked of it."""

from typing import ClassVar

from billing.calls.access import Access
from billing.calls.http import Api, path_of

LIVE = "https://api.paddle.com"
SANDBOX = LIVE.replace("//", "//sandbox-")
_SANDBOX_KEY = "pdl_sdbx_"
"""How the API keys of the sandbox begin."""


def address_of(access: Access) -> str:
    """The address of the API: the one that is said, else that of the key."""
    return access.address or (SANDBOX if access.key.startswith(_SANDBOX_KEY) else LIVE)


class PaddleInvoices:
    """What Paddle answers to an API key that may read transactions (`transaction.read`)."""

    provider: ClassVar[str] = "paddle"
    api: ClassVar[type[Api]] = Api

    def __init__(self, access: Access) -> None:
        self._api = self.api("paddle", "Paddle", address_of(access), access.key, {})

    async def invoice(self, payment_id: str) -> str | None:
        """The address of the PDF, good for an hour. A transaction of nothing has none. Raises ProviderFailed."""
        path = path_of("transactions", payment_id, "invoice")
        found = await self._api.find(path, [("disposition", "inline")])
        return None if found is None else self._api.url(found.payload, "data.url")
