"""What the company's services ask of the ledger in the name of one account: its app, its billing, its support."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

from api.demo.books import wished
from api.demo.calendar import Calendar
from api.demo.offers import Plan, TopUp
from api.demo.people import Customer
from api.demo.work import Task, task
from ledger.domain.account import Account
from ledger.domain.events import CreditsDeducted, CreditsGranted, CreditsHeld, Event, Events, HoldCaptured

APP, BILLING, SUPPORT = "key:demo-app", "key:demo-billing", "key:demo-support"


class Caller:
    """Speaks for one account, at the calendar's moment. What it asks for is in the plan at once."""

    def __init__(self, calendar: Calendar, customer: Customer) -> None:
        self.calendar = calendar
        self.customer = customer

    @property
    def chance(self) -> Random:
        """The plan's."""
        return self.calendar.chance

    @property
    def now(self) -> datetime:
        """The calendar's."""
        return self.calendar.now

    @property
    def account(self) -> Account:
        """As it is now."""
        return self.calendar.books.account_at(self.customer.account_id, self.now)

    @property
    def active(self) -> bool:
        """Whether it takes deductions."""
        return self.account.standing == "active"

    def is_closed(self) -> bool:
        """Whether it takes nothing any more."""
        return self.account.standing == "closed"

    def affords(self, credits: int) -> bool:
        """Whether so many are available."""
        return self.account.balance.available >= credits

    def id(self, what: str) -> str:
        """One that nobody else has."""
        return f"{what}_{self.chance.getrandbits(56):014x}"

    def some_task(self, member: str | None = None) -> Task:
        """Something that this customer would ask for."""
        customer = self.customer
        return task(self.chance, self.chance.choice(customer.projects), customer.models, member)

    def _ask(
        self,
        actor: str,
        operation: str,
        fields: Mapping[str, Any],
        key: str | None = None,
        ids: Mapping[str, str] = {},
        refusal: str | None = None,
    ) -> Events:
        wish = wished(self.now, actor, operation, self.customer.account_id, fields, key, ids)
        return self.calendar.wish(wish._replace(refusal=refusal))

    # The app ---------------------------------------------------------------------------------------------------

    def open(self, credits: int = 100) -> None:
        """With credits to begin with."""
        customer = self.customer
        metadata = {"name": customer.name, "kind": "team" if customer.members else "person"}
        fields = {"account_id": customer.account_id, "signup_credits": credits, "metadata": metadata}
        self._ask(APP, "open", fields)

    def deduct(self, task: Task, refusal: str | None = None) -> str:
        """The deduction's id, or "" when it is refused."""
        fields = {"amount": task.credits, "task_id": self.id("task")}
        fields |= {"description": task.description, "usage": task.usage}
        return _made(self._ask(APP, "deduct", fields, refusal=refusal))

    def hold(self, credits: int, description: str, length: timedelta) -> str:
        """The hold's id."""
        fields = {"amount": credits, "expires_in_seconds": round(length.total_seconds()), "task_id": self.id("task")}
        return _made(self._ask(APP, "hold", {**fields, "description": description}, self.id("hold")))

    def capture(self, hold_id: str, credits: int, usage: Mapping[str, Any], **more: Any) -> str:
        """The deduction's id; `more` are the other fields, and `refusal`."""
        refusal = more.pop("refusal", None)
        fields = {"amount": credits, "usage": usage, **more}
        return _made(self._ask(APP, "capture", fields, self.id("capture"), {"hold_id": hold_id}, refusal))

    def extend(self, hold_id: str, length: timedelta) -> None:
        """From now."""
        fields = {"expires_in_seconds": round(length.total_seconds())}
        self._ask(APP, "extend", fields, self.id("extension"), {"hold_id": hold_id})

    def release(self, hold_id: str) -> None:
        """All that is held."""
        self._ask(APP, "release", {}, self.id("release"), {"hold_id": hold_id})

    # Billing ---------------------------------------------------------------------------------------------------

    def pay(self, plan: Plan, ends: datetime) -> str:
        """A period of a plan, whose credits lapse at its end; the payment's id."""
        grant = {"kind": "subscription", "amount": plan.credits, "source": "subscription"}
        grant |= {"expires_at": ends.isoformat(), "description": f"{plan.name.title()} plan until {ends.day} {ends:%B}"}
        return self._pay("paid", plan.price_minor, plan=plan.name, grant=grant)

    def buy(self, top_up: TopUp) -> str:
        """Credits that never expire; the payment's id."""
        grant = {"kind": "permanent", "amount": top_up.credits, "source": "topup"}
        grant |= {"description": f"Top-up of {top_up.credits:,} credits"}
        return self._pay("paid", top_up.price_minor, grant=grant)

    def fail_to_pay(self, price_minor: int, plan: Plan | None = None) -> None:
        """Nothing comes of it but its record."""
        self._pay("failed", price_minor, **({"plan": plan.name} if plan else {}))

    def _pay(self, status: str, price_minor: int, **more: Any) -> str:
        customer = self.customer
        payment_id = self.id("pi" if customer.provider == "stripe" else "txn")
        fields = {"payment_id": payment_id, "provider": customer.provider, "status": status, **more}
        fields |= {"amount_minor": price_minor, "currency": customer.currency}
        self._ask(BILLING, "payment", fields)
        return payment_id

    def refund(self, payment_id: str, amount_minor: int | None = None) -> None:
        """All of a payment, or a part."""
        fields: dict[str, Any] = {"refund_id": self.id("re")}
        fields |= {"amount_minor": amount_minor} if amount_minor else {}
        self._ask(BILLING, "payment_refund", fields, ids={"payment_id": payment_id})

    def promote(self, credits: int, length: timedelta, description: str) -> str:
        """Credits for a while; the grant's id."""
        until = (self.now + length).isoformat()
        fields = {"kind": "subscription", "amount": credits, "source": "promotion", "expires_at": until}
        fields |= {"transaction_id": self.id("promotion"), "description": description}
        return _made(self._ask(BILLING, "grant", fields))

    # Support ---------------------------------------------------------------------------------------------------

    def adjust(self, credits: int, description: str) -> None:
        """Credits for good, from support."""
        fields = {"kind": "permanent", "amount": credits, "source": "adjustment", "description": description}
        self._ask(SUPPORT, "grant", {**fields, "transaction_id": self.id("adjustment")})

    def reverse(self, deduction_id: str, reason: str, credits: int | None = None) -> None:
        """All of a deduction, or a part."""
        fields: dict[str, Any] = {"reason": reason} | ({"amount": credits} if credits else {})
        self._ask(SUPPORT, "reverse", fields, self.id("reversal"), {"deduction_id": deduction_id})

    def void(self, grant_id: str, reason: str) -> None:
        """All that remains of a grant."""
        self._ask(SUPPORT, "void", {"reason": reason}, self.id("void"), {"grant_id": grant_id})

    def freeze(self, reason: str) -> None:
        """Until unfrozen."""
        self._ask(SUPPORT, "freeze", {"reason": reason}, self.id("freeze"))

    def unfreeze(self, reason: str) -> None:
        """Again."""
        self._ask(SUPPORT, "unfreeze", {"reason": reason}, self.id("unfreeze"))

    def close(self, reason: str) -> None:
        """For good."""
        self._ask(SUPPORT, "close", {"reason": reason}, self.id("close"))


def _made(events: Events) -> str:
    """The id of what came into being with the last of some events; "" when none did."""
    return _id(events[-1]) if events else ""


def _id(event: Event) -> str:
    match event:
        case CreditsGranted():
            return event.grant_id
        case CreditsDeducted() | HoldCaptured():
            return event.deduction_id
        case CreditsHeld():
            return event.hold_id
        case _:
            raise AssertionError(f"{type(event).__name__} makes nothing")
