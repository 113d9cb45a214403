"""Where the invoices are that payment providers write. One that sells in its own name writes one for each payment.

The address that a provider said in a webhook is among the facts. Where there is none, the provider is asked.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from billing.calls.calls import InvoiceCalls, ProviderCannot
from billing.known_facts import rows
from ledger.domain.errors import shown
from ledger.postgres.named_sql import queries
from ledger.service import Ledger

_SQL = queries("billing", "sql/facts.sql")


class Paid(NamedTuple):
    """A payment as the ledger has it."""

    provider: str
    payment_id: str

    @property
    def name(self) -> str:
        """Its name among the facts: the id with the provider in front, once."""
        return f"{self.provider}:{self.own_id}"

    @property
    def own_id(self) -> str:
        """Its id without the provider in front, as calls take it."""
        return self.payment_id.removeprefix(f"{self.provider}:")


class ProviderInvoices:
    """The invoices of payments. `calls` are those to the providers, by name."""

    def __init__(self, ledger: Ledger, calls: Mapping[str, InvoiceCalls]) -> None:
        self._ledger = ledger
        self._calls = calls

    async def linked(self, payments: Collection[Paid]) -> frozenset[Paid]:
        """Those of some payments whose invoices can be looked for: the address is known, or the provider can be asked.

        Raises psycopg.Error.
        """
        known = await self._known(payments)
        return frozenset(one for one in payments if one.name in known or one.provider in self._calls)

    async def address(self, payment: Paid) -> str:
        """The address of the invoice that the provider of a payment wrote.

        Raises ProviderCannot where there is none or nobody can be asked, ProviderFailed, and psycopg.Error.
        """
        known = (await self._known([payment])).get(payment.name)
        if known is not None:
            return known
        calls = self._calls.get(payment.provider)
        found = await calls.invoice(payment.own_id) if calls is not None else None
        if found is None:
            raise _nowhere(payment, asked=calls is not None)
        return found

    async def _known(self, payments: Iterable[Paid]) -> dict[str, str]:
        names = [one.name for one in payments]
        if not names:
            return {}
        async with self._ledger.log.connection() as connection:
            return {row["thing"]: row["url"] for row in await rows(connection, _SQL["invoices"], {"names": names})}


def _nowhere(payment: Paid, *, asked: bool) -> ProviderCannot:
    provider, name = shown(payment.provider), shown(payment.payment_id)
    if asked:
        why = f"{provider} has no invoice of payment {name!r}."
    else:
        why = f"{provider} did not say where the invoice of payment {name!r} is, and cannot be asked from here."
    return ProviderCannot(f"{why} The document of the ledger is receipt.pdf.", provider=payment.provider)
