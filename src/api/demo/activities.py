"""What the customers' apps, the company's billing and its support do, customer by customer."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from math import ceil
from random import Random
from typing import Any

from api.contract.operations import ALL_OPERATIONS, Defaults
from api.demo.company import COMPANY, Customer, Script, Step, make_customers
from api.demo.offers import PACKAGES, PERIOD, monthly, terms_of
from api.demo.plan import Activity, Plan, PlannedCommand
from api.demo.tasks import Task, make_id, make_task, work_moments
from billing.plans import Price
from ledger.commit.submission import Submission
from ledger.domain.commands import (
    Command,
    MergeAccount,
    ReceiveCredits,
    ReverseTransfer,
    SendBack,
    SendCredits,
)
from ledger.domain.errors import InsufficientCredits, LimitReached, Refusal
from ledger.moves import NO_BODY, key_of_second
from ledger.store import Metadata, fingerprint

ACTORS = {action: f"key:demo-{actor}" for actor, actions in COMPANY.actors.items() for action in actions}

_DECLINED = 0.06
"""Share of the renewals that fail at first."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_IDS = ("grant_id", "deduction_id", "hold_id", "payment_id", "transfer_id")
_TRIES_AT_A_LIMIT = 3
_METERED = ("project", "member")
"""What metered usage has from a task; what was counted is in company.toml."""


def plan_company(rng: Random, now: datetime, *, weeks: int, accounts: int) -> Iterator[PlannedCommand]:
    """All commands of the weeks before `now`, in the order of time; the same for the same seed. Raises PlanMismatch."""
    plan = Plan(now - timedelta(weeks=weeks), now, rng)
    for customer in make_customers(rng, accounts):
        plan.follow(_CustomerActivities(plan, customer).open_account())
    return plan.commands()


def make_top_up(rng: Random, customer: Customer) -> dict[str, Any]:
    """The body of a payment for a customer's usual top-up."""
    credits, price = PACKAGES[customer.top_up].credits, PACKAGES[customer.top_up].prices[0]
    grant = {"kind": "permanent", "amount": credits, "source": "topup", "description": f"Top-up of {credits:,} credits"}
    return _payment(rng, customer, price) | {"status": "paid", "grant": grant}


def _payment(rng: Random, customer: Customer, price: Price, quantity: int = 1) -> dict[str, Any]:
    payment_id = make_id(rng, "pi" if customer.provider == "stripe" else "txn")
    said = {"payment_id": payment_id, "provider": customer.provider}
    return said | {"currency": customer.place[1], "amount_minor": price.amount_minor * quantity}


class _CustomerActivities:
    def __init__(self, plan: Plan, customer: Customer) -> None:
        self._plan, self._customer, self._rng = plan, customer, plan.rng
        self._words_rng = Random(customer.account_id)  # noqa: S311 - the demo must be the same each time
        self._leaves = plan.moment(customer.leaves)
        self._tries = customer.tries_without_credits
        self._tries_at_a_limit = _TRIES_AT_A_LIMIT
        self._receivers = dict[str, str]()

    def open_account(self) -> Activity:
        """Open the account, and start everything else that happens to it."""
        customer = self._customer
        yield self._plan.moment(customer.arrives)
        kind = "team" if customer.members else "person"
        opening = {"account_id": customer.account_id, "signup_credits": 100, "description": customer.name}
        opening |= {"metadata": {"name": customer.name, "kind": kind}}
        region = customer.place[0].key.partition("/")[0].lower()
        opening |= {"labels": {"kind": kind, "plan": customer.plan or "pay-as-you-go", "region": region}}
        self._ask("open", opening, {})
        if customer.plan:
            self._plan.follow(self._subscribe())
        self._plan.follow(self._run(customer.script) if customer.script else self._receive_promotions())
        for member in customer.members or (None,):
            self._plan.follow(self._work(member))

    def _work(self, member: str | None) -> Activity:
        for moment in work_moments(self._rng, self._customer, self._pace, self._plan.now):
            if moment >= self._leaves:
                return
            yield moment
            self._plan.follow(self._run(self._draw("task"), member))

    def _pace(self, moment: datetime) -> float:
        """Tasks of a workday: for most always as many, with good days and bad."""
        share = max(0.0, (moment - self._plan.begins) / (self._plan.ends - self._plan.begins))
        return self._customer.tasks_a_day * (0.15 + 1.6 * share**2 if self._customer.grows else 1)

    def _receive_promotions(self) -> Activity:
        while True:
            yield from self._run(self._draw("promotion"))

    def _draw(self, name: str) -> Script:
        scripts = COMPANY.scripts[name]
        return self._rng.choices(scripts, [weight for weight, _ in scripts])[0][1]

    def _subscribe(self) -> Activity:
        """One period after the other, each paid for soon after it begins. The card of who has left is declined."""
        plan, starts = self._plan, self._plan.now
        for ends in self._period_ends():
            if plan.now >= self._leaves:
                break
            self._tell(starts, ends)
            self._pay("subscribe", starts, ends)
            yield ends + timedelta(minutes=self._rng.uniform(5, 50))
            starts = ends
            if plan.now < self._leaves and self._rng.random() < _DECLINED:
                self._pay("decline")
                yield plan.now + timedelta(hours=self._rng.uniform(20, 30))
        for _ in range(3):
            self._pay("decline")
            yield plan.now + timedelta(days=2)

    def _period_ends(self) -> Iterator[datetime]:
        """The ends of all periods: months, of which one ends at a known moment, if the customer has one."""
        now, days = self._plan.now, self._customer.period_ends_in_days
        known = PERIOD.after(now, 1) if days is None else self._plan.ends + timedelta(days=days)
        first = next(n for n in count() if PERIOD.after(known, -n) <= now + timedelta(hours=1)) - 1
        return (PERIOD.after(known, n) for n in count(-first))

    def _tell(self, starts: datetime, ends: datetime) -> None:
        """Say which plan the customer has in a period, and that it ends with it if the customer leaves."""
        customer = self._customer
        fields: dict[str, Any] = {"subscription_id": self._subscription_id, "provider": customer.provider}
        fields |= {"status": "active", "terms": terms_of(customer.plan), "as_of": self._plan.now.isoformat()}
        fields |= {"period_start": starts.isoformat(), "period_end": ends.isoformat(), "quantity": customer.quantity}
        if self._leaves < ends:
            fields["ends_at"] = ends.isoformat()
        self._ask("tell", fields, {}, rng=self._words_rng)

    @property
    def _subscription_id(self) -> str:
        return f"sub_{self._customer.account_id}"

    def _pay(self, action: str, starts: datetime | None = None, ends: datetime | None = None) -> None:
        """Pay for the plan in a period, or fail to."""
        customer = self._customer
        fields = _payment(self._rng, customer, monthly(customer.plan), customer.quantity) | {"plan": customer.plan}
        if starts is not None and ends is not None:
            reason = "initial" if starts == self._plan.now else "renewal"
            what = {"subscription_id": self._subscription_id, "reason": reason, "quantity": customer.quantity}
            what |= {"paid_at": self._plan.now.isoformat(), "terms": terms_of(customer.plan)}
            fields["subscription"] = what | {"period_start": starts.isoformat(), "period_end": ends.isoformat()}
        self._ask(action, fields, {})

    def _run(self, script: Script, member: str | None = None) -> Activity:
        """Carry out a script, up to a step for which there are too few credits."""
        member = member or self._rng.choice(self._customer.members or (None,))
        task, ids = None, dict[str, str]()
        for step in script:
            yield self._moment(step.moment)
            if task is None or step.action in {"deduct", "hold"}:
                task = make_task(self._rng, self._customer, member)
            try:
                self._carry_out(step, task, ids)
            except (InsufficientCredits, LimitReached) as refusal:
                self._run_short(refusal, step._replace(fields={**step.fields, "refused": refusal.code}), task, ids)
                return

    def _run_short(self, refusal: Refusal, step: Step, task: Task, ids: dict[str, str]) -> None:
        """Ask nevertheless, or buy more, or wait. Credits do not help where a limit is reached."""
        if isinstance(refusal, LimitReached):
            if self._tries_at_a_limit:
                self._tries_at_a_limit -= 1
                self._carry_out(step, task, ids)
        elif self._tries:
            self._tries -= 1
            self._carry_out(step, task, ids)
        elif self._customer.top_up and not self._customer.tries_without_credits:
            self._plan.follow(self._run(self._draw("top_up")))

    def _moment(self, moment: str) -> datetime:
        """The moment that a step names; a share of all weeks is brought to the hours of work."""
        plan, rng = self._plan, self._rng
        if moment == "now":
            return plan.now
        if moment.endswith("%"):
            day = plan.moment(int(moment[:-1]) / 100).astimezone(self._customer.place[0])
            return day.replace(hour=rng.randint(9, 16), minute=rng.randint(0, 59)).astimezone(UTC)
        lengths = [timedelta(**{_UNITS[text[-1]]: int(text[:-1])}) for text in moment[1:].split("..")]
        if moment.startswith("-"):
            return plan.ends - lengths[0]
        return plan.now + lengths[0] + (lengths[-1] - lengths[0]) * rng.random()

    def _carry_out(self, step: Step, task: Task, ids: dict[str, str]) -> None:
        """Carry out a step; `ids` are those that the script has made so far."""
        fields = dict(step.fields)
        refused = fields.pop("refused", None)
        if step.action in {"deduct", "hold", "capture"}:
            known = ALL_OPERATIONS[step.action].body.model_fields
            fields = {name: value for name, value in task._asdict().items() if name in known} | fields
        elif step.action == "meter":
            usage = {name: task.usage[name] for name in _METERED if name in task.usage} | fields["usage"]
            fields |= {"task_id": make_id(self._rng, "task"), "usage": usage}
        elif step.action == "buy":
            fields = make_top_up(self._rng, self._customer)
        elif step.action == "decline":
            fields = _payment(self._rng, self._customer, PACKAGES[self._customer.top_up].prices[0])
        if "share" in fields:
            fields["amount"] = ceil(task.amount * fields.pop("share"))
        if "starts_days" in fields:
            fields["effective_at"] = (self._plan.now + timedelta(days=fields.pop("starts_days"))).isoformat()
        if "lasts_days" in fields:
            fields["expires_at"] = (self._plan.now + timedelta(days=fields.pop("lasts_days"))).isoformat()
        self._ask(step.action, fields, ids, refused)

    def _ask(
        self,
        action: str,
        fields: Mapping[str, Any],
        ids: dict[str, str],
        refused: str | None = None,
        rng: Random | None = None,
    ) -> None:
        """Plan a command as a body of the HTTP contract makes it, and keep the ids that it makes."""
        rng = rng or self._rng
        operation, always = COMPANY.actions.get(action, (action, {}))
        known, new_id = ALL_OPERATIONS[operation], make_id(rng, action)
        own_key = {known.own_key: new_id} if known.own_key else {}
        path = {name: fields[name] if name in fields else ids[name] for name in known.path_ids}
        said = {name: value for name, value in fields.items() if name not in path}
        if "from_account_id" in known.body.model_fields:
            said["from_account_id"] = self._customer.account_id
        body = known.body.model_validate({**own_key, **always, **said})
        command = known.build(self._customer.account_id, path, body, Defaults())
        key = known.key_without_header(body, command) or new_id
        metadata = Metadata(ACTORS[action], operation, key, make_id(rng, "demo"))
        marks = fingerprint(known.values(path, body))
        second = self._second_half(command)
        planned = PlannedCommand(self._plan.now, metadata, command, marks, refused, moves=second is not None)
        for event in self._plan.ask(planned):
            ids |= {name: getattr(event, name) for name in _IDS if getattr(event, name, None)}
        if second is not None:
            receipt = Submission(command, metadata, marks).receipt
            key = key_of_second(self._customer.account_id, receipt or "")
            operation = "send_back" if isinstance(second, SendBack) else "receive"
            metadata = metadata._replace(operation=operation, idempotency_key=key)
            self._receivers[ids["transfer_id"]] = second.account_id
            self._plan.ask(planned._replace(metadata=metadata, command=second, fingerprint=NO_BODY))

    def _second_half(self, command: Command) -> ReceiveCredits | SendBack | None:
        """What a move asks of the other account; None for what moves nothing."""
        sender = self._customer.account_id
        match command:
            case SendCredits():
                return ReceiveCredits(command.to_account_id, sender, command.description)
            case MergeAccount():
                return ReceiveCredits(command.successor, sender, command.reason)
            case ReverseTransfer():
                receiver = self._receivers[command.transfer_id]
                return SendBack(receiver, sender, command.transfer_id, command.reason)
        return None
