"""A server on this machine that answers as Stripe does about one subscription, and changes it when it is asked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from billing.simulation.signing import signed
from billing.simulation.steps import Customer, Event
from tests.api.stage import Json, eventually
from tests.billing.calls.provider_server import ProviderServer, Request, provider_server
from tests.billing.changes.registrar import Kept
from tests.billing.inbox.desk import events_told
from tests.billing.lives import PRICES, SECRETS
from tests.service import Service

PLANS = {"lite": 1_000, "pro": 5_000}
"""The plans that are sold, with their credits."""
PORTAL = "https://billing.stripe.example/p/session"
_SCHEDULE = "sub_sched_1"


class StripeServer:
    """The subscriptions of some customers. The same key gets the first answer again."""

    def __init__(self, server: ProviderServer) -> None:
        self.server = server
        self.carried_out: list[str] = []
        server.answers["POST", "/v1/billing_portal/sessions"] = {"url": PORTAL}

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a service that calls it."""
        return {
            "CREDIT_LEDGER_STRIPE_API_KEY": "sk_live_1",
            "CREDIT_LEDGER_STRIPE_API_URL": self.server.url,
            "CREDIT_LEDGER_STRIPE_WEBHOOK_SECRET": SECRETS["stripe"],
        }

    def subscribe(self, service: Service, number: int, account: str | None = None) -> str:
        """A new account, or one without credits of a subscription, that has been on the plan Lite for ten days."""
        account = account or service.open_account(permanent=0)
        begun = datetime.now(UTC).replace(microsecond=0) - timedelta(days=10, minutes=1)
        life = Kept(PRICES["stripe"], begun)
        life.subscribe()
        customer = Customer(account, number)
        events = events_told("stripe", customer, life.steps)
        life.pass_days(10)
        for event in events:
            told = signed("stripe", event, SECRETS["stripe"], datetime.now(UTC))
            headers = {**told.headers, "authorization": ""}
            assert service.client.post("/v1/webhooks/stripe", content=told.body, headers=headers).status_code == 200
        _Subscription(self, life, customer, events)
        eventually(lambda: now_of(service, account) is not None, 30)
        eventually(
            lambda: service.get(f"/v1/accounts/{account}/balance").json()["subscription_credits"] == PLANS["lite"], 30
        )
        return account


class _Subscription:
    """One subscription, as it is answered."""

    def __init__(self, stripe: StripeServer, life: Kept, customer: Customer, events: list[Event]) -> None:
        self._stripe, self._life, self._customer = stripe, life, customer
        self._answers: dict[str, Json] = {}
        self._told = len(life.steps)
        self.now = _newest(events, "customer.subscription.")
        path, answers = f"/v1/subscriptions/{self.now['id']}", stripe.server.answers
        answers["GET", path] = lambda _: self.now
        answers["POST", path] = self._keyed(self._changed)
        answers["DELETE", path] = lambda _: self._after("end", life.end)
        phase = {"start_date": 1_790_000_000, "end_date": 1_800_000_000}
        answers["POST", "/v1/subscription_schedules"] = {"id": _SCHEDULE, "current_phase": phase}
        answers["POST", f"/v1/subscription_schedules/{_SCHEDULE}"] = self._scheduled
        answers["POST", f"/v1/subscription_schedules/{_SCHEDULE}/release"] = self._released

    def _keyed(self, do: Callable[[Request], Json]) -> Callable[[Request], Json]:
        def answer(request: Request) -> Json:
            key = request.headers["idempotency-key"]
            if key not in self._answers:
                self._answers[key] = do(request)
            return self._answers[key]

        return answer

    def _changed(self, request: Request) -> Json:
        match dict(request.body):
            case {"items[0][price]": str(price)}:
                return self._after(f"change to {price}", self._life.upgrade)
            case {"cancel_at_period_end": "true"}:
                return self._after("cancel", self._life.cancel)
            case {"cancel_at_period_end": "false"}:
                return self._after("resume", self._life.resume)
            case {"metadata[next_price_id]": price}:
                self.now["metadata"]["next_price_id"] = price
                return {**self.now}
            case other:
                raise AssertionError(other)

    def _after(self, what: str, do: Callable[[], None]) -> Json:
        """The subscription after a change, with the invoice of it."""
        do()
        self._stripe.carried_out.append(what)
        steps, self._told = self._life.steps[self._told :], len(self._life.steps)
        events = events_told("stripe", self._customer, steps)
        kept = {name: self.now[name] for name in ("schedule", "metadata") if name in self.now}
        self.now = {**_newest(events, "customer.subscription."), **kept}
        invoices = [event.payload["data"]["object"] for event in events if event.type == "invoice.paid"]
        return {**self.now, **({"latest_invoice": invoices[0]} if invoices else {})}

    def _scheduled(self, request: Request) -> Json:
        self.now["schedule"] = _SCHEDULE
        price = dict(request.body)["phases[1][items][0][price]"]
        self._stripe.carried_out.append(f"later {price}")
        return {"id": _SCHEDULE}

    def _released(self, _: Request) -> Json:
        self.now["schedule"] = None
        self._stripe.carried_out.append("release")
        return {"id": _SCHEDULE}


def _newest(events: list[Event], kind: str) -> Any:
    return [event for event in events if event.type.startswith(kind)][-1].payload["data"]["object"]


def now_of(service: Service, account: str) -> Json | None:
    """The active subscription of an account by the ledger."""
    found: Json | None = service.get(f"/v1/accounts/{account}/subscription").json()["subscription"]
    return found


def sell(service: Service) -> None:
    """Put the plans Lite and Pro into the catalogue."""
    for rank, (plan, credits) in enumerate(PLANS.items()):
        product = {"lite": PRICES["stripe"].plan, "pro": PRICES["stripe"].better_plan}[plan]
        price = {"price": "monthly", "amount_minor": 1_000 * (1 + 4 * rank), "currency": "EUR"}
        prices = [{**price, "products": {"stripe": product}, "interval": {"months": 1}}]
        body = {"name": plan.title(), "credits": credits, "rank": rank, "prices": prices, "features": ["All models"]}
        assert service.client.put(f"/v1/plans/{plan}", json=body).status_code == 201


@contextmanager
def stripe_server() -> Iterator[StripeServer]:
    """Stripe on a free port, until the block ends."""
    with provider_server() as server:
        yield StripeServer(server)
