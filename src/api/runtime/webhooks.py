"""The inbox of webhooks in a process of the service: what receives deliveries, what applies them, and what is asked of
the providers that can be called, and the checkouts."""

from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from api.http import metrics
from api.http.billing.receiving import WebhookEntrance
from api.runtime.settings import Settings
from api.runtime.telemetry.telemetry import OFF, Telemetry
from billing.calls.calls import Calls
from billing.calls.known_calls import calls_of, invoice_calls_of
from billing.changes.changing import Changing
from billing.changes.held_changes import HeldChanges
from billing.checkouts.checkouts import Checkouts
from billing.inbox.biller import Biller
from billing.inbox.deciding import Decided
from billing.inbox.inbox import Inbox
from billing.inbox.receiving import Reception
from billing.inbox.reconciler import Reconciler
from billing.inbox.reconciling import Source
from billing.inbox.spool import Spool
from billing.known_providers import PROVIDERS
from billing.manual.manual_calls import ManualCalls
from billing.manual.payments import Payments
from billing.manual.renewals import Renewals
from billing.manual.telling import Telling
from billing.provider_invoices import ProviderInvoices
from billing.providers.manual import Manual
from ledger.service import Ledger

FOLDER = "webhooks"
"""The folder of the spool in the data directory."""


class Webhooks:
    """The parts of the inbox that belong together: the inbox itself, its entrance and its biller, and the calls to
    providers."""

    def __init__(self, settings: Settings, ledger: Ledger, conninfo: str, telemetry: Telemetry = OFF) -> None:
        self.inbox = inbox = Inbox(ledger.log)
        secrets = settings.webhook_secrets
        manual = Manual(lambda: (inbox.manual_key,))
        self._biller = telemetry.of(Biller)(
            ledger,
            inbox,
            conninfo,
            {**{name: made(secrets.get(name, ())) for name, made in PROVIDERS.items()}, manual.name: manual},
            {**settings.modes, manual.name: "test" if settings.manual == "test" else "live"},
            settings.on_dispute,
            timedelta(days=settings.webhook_days),
            _count,
            settings.signup_credits if settings.open_on_payment else None,
        )
        reception = Reception(
            inbox,
            Spool(settings.data_dir / FOLDER, lambda: inbox.seal),
            {**{name: PROVIDERS[name](given) for name, given in secrets.items()}, manual.name: manual},
            ledger.clock,
            self._biller.arrived.set,
        )
        self.entrance = WebhookEntrance(reception)
        self.payments = Payments(Telling(ledger, inbox, reception, live=settings.manual != "test"))
        self._biller.duties.append(Renewals(self.payments, _checkout_of).turn)
        own = ManualCalls(self.payments, _checkout_of, _billing_of)
        self.calls: dict[str, Calls] = {**calls_of(settings.accesses, telemetry.of), manual.name: own}
        transfers = settings.manual != "off"
        sources = sources_of(settings, telemetry)
        self._reconciler = Reconciler(inbox, conninfo, sources, ledger.clock, self._biller.arrived.set)
        self.checkouts = Checkouts(ledger, self.calls, settings.checkout_provider, transfers=transfers)
        self.changing = Changing(ledger, inbox, self.calls, self._biller.arrived.set)
        of_invoices = invoice_calls_of(settings.invoice_accesses, telemetry.of)
        self.invoices = ProviderInvoices(ledger, {**self.calls, **of_invoices})

    @property
    def parts(
        self,
    ) -> tuple[Inbox, WebhookEntrance, Mapping[str, Calls], Checkouts, Payments, Changing, ProviderInvoices]:
        """What the routes use of it."""
        return self.inbox, self.entrance, self.calls, self.checkouts, self.payments, self.changing, self.invoices

    @property
    def work(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What is done until the process ends, by the names under which restarts are counted."""
        return {
            "biller": self._biller.run,
            "spool": self.entrance.reception.keep_drained,
            "held_changes": HeldChanges(self.changing).run,
            "reconciler": self._reconciler.run,
        }


def sources_of(settings: Settings, telemetry: Telemetry = OFF) -> list[Source]:
    """The providers that can be read again."""
    calls = calls_of(settings.accesses, telemetry.of)
    return [Source(one, PROVIDERS[name](()), settings.modes[name]) for name, one in calls.items()]


def _page_of(account_id: str, *place: str) -> str:
    """The path of a page of an account."""
    return "/".join(("/dashboard/accounts", *(quote(part, safe="") for part in (account_id, *place))))


def _checkout_of(account_id: str, checkout_id: str) -> str:
    return _page_of(account_id, "checkout", checkout_id)


def _billing_of(account_id: str) -> str:
    return _page_of(account_id, "billing")


def _count(decided: Decided) -> None:
    due = decided.read.due
    metrics.WEBHOOKS.labels(due.provider, due.type, decided.state).inc()
