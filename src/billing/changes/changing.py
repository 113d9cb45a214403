"""Asks payment providers for changes of subscriptions: upgrade, downgrade, cancel, reactivate, and the portal.

What may be asked for is decided from the ledger's state of the account; what the provider answers goes into the inbox
like its webhooks, so the ledger learns it in the usual way. See docs/adr/0081-changes-of-subscriptions.md.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter

from billing.calls.calls import Calls, Changed, ProviderCannot, When
from billing.changes.asked import Asked, Effect, ends_at, new_plan
from billing.changes.comparing import Target, check_downgrade, check_upgrade
from billing.changes.foreseeing import Foreseen, Seen, choices, foreseen, upgraded
from billing.changes.receipts import Held, Operation, Receipt, Receipts
from billing.changes.refusals import AlreadyCancelled, NotCancelled
from billing.changes.running import Running, in_group, named, running_of
from billing.changes.targets import Offer, PlanWish, choice_of, currencies_of, groups_of, offer_of, targets_of
from billing.checkouts.checkout import MANUAL
from billing.checkouts.errors import PaymentDue
from billing.checkouts.table import requested
from billing.inbox.inbox import Inbox
from billing.inbox.webhook import Arrival
from ledger.domain.errors import AccountNotFound
from ledger.service import Ledger

BEFORE_END = timedelta(hours=1)
"""How long before the end of a period a held change is sent."""
SLOWEST = timedelta(seconds=2)
"""Providers' clocks have whole seconds, and what they answer is as of the second before they were asked."""
_ASKED = TypeAdapter(Asked)


class Asker(NamedTuple):
    """Who asks for a change, and under which idempotency key (None: the state of the subscription is one)."""

    actor: str
    key: str | None = None
    reason: str | None = None


class Answered(NamedTuple):
    """The answer to a wish; `replayed` if it was given before."""

    asked: Asked
    replayed: bool = False


class _Wish(NamedTuple):
    """One wish on its way: what is asked for, as JSON, of which subscription."""

    operation: Operation
    account_id: str
    asker: Asker
    body: dict[str, Any]

    @property
    def fingerprint(self) -> bytes:
        """What tells another wish under the same key."""
        return sha256(orjson.dumps(self.body, option=orjson.OPT_SORT_KEYS)).digest()


class _Decided(NamedTuple):
    """What a wish comes to: for which subscription, and to which plan if it changes that."""

    running: Running
    asked: Asked
    target: Target | None = None
    is_so: bool = False
    """Whether it was asked for before, and still holds."""

    @property
    def asks_provider(self) -> bool:
        """Whether the provider has to do something now."""
        return not self.asked.held and not self.asked.recorded


_Decide = Callable[[], Awaitable[_Decided]]
_Ask = Callable[[Calls, _Decided, str], Awaitable[Changed]]
"""Asks a provider for what was decided, under a key."""


class Changing:
    """Changes of the subscriptions of a ledger, at the providers whose calls are known.

    Every method raises AccountNotFound, NoSubscription, ProviderCannot and psycopg.Error. Those that ask a provider
    raise ProviderFailed and KeyReused. `arrived` is called when something was put into the inbox.
    """

    def __init__(self, ledger: Ledger, inbox: Inbox, calls: Mapping[str, Calls], arrived: Callable[[], None]) -> None:
        self._ledger = ledger
        self._inbox = inbox
        self.calls = calls
        self._arrived = arrived
        self.clock = ledger.clock
        self.receipts = Receipts(ledger.log)

    async def upgrade(self, account_id: str, wish: PlanWish, asker: Asker) -> Answered:
        """Put a subscription on a better plan now. Raises also what `upgrade_foreseen` raises."""
        asking = _Wish("upgrade", account_id, asker, wish._asdict())
        return await self._once(asking, lambda: self._upgrade(account_id, wish), _ask_upgrade)

    async def upgrade_foreseen(self, account_id: str, wish: PlanWish) -> Asked:
        """What an upgrade would give and cost. Nobody is asked.

        Raises also PlanNotFound, PriceNotFound, AlreadyOnPlan, NotAnUpgrade, AlreadyCancelled, PaymentDue and Refusal.
        """
        return (await self._upgrade(account_id, wish)).asked

    async def downgrade(self, account_id: str, wish: PlanWish, asker: Asker) -> Answered:
        """Put a subscription on a plan that gives no more, at the end of its period.

        Raises also what `downgrade_foreseen` raises.
        """
        asking = _Wish("downgrade", account_id, asker, wish._asdict())
        return await self._once(asking, lambda: self._downgrade(account_id, wish), _ask_downgrade)

    async def downgrade_foreseen(self, account_id: str, wish: PlanWish) -> Asked:
        """What a downgrade would come to. Nobody is asked.

        Raises also PlanNotFound, PriceNotFound, AlreadyOnPlan, NotADowngrade and AlreadyCancelled.
        """
        return (await self._downgrade(account_id, wish)).asked

    async def cancel(self, account_id: str, when: When, subscription_id: str | None, asker: Asker) -> Answered:
        """End a subscription, now or at the end of its period. Raises also AlreadyCancelled."""
        asking = _Wish("cancel", account_id, asker, {"when": when, "subscription_id": subscription_id})

        async def ask(calls: Calls, decided: _Decided, key: str) -> Changed:
            return await calls.cancel(decided.running.own_id, when, key)

        return await self._once(asking, lambda: self._cancel(account_id, when, subscription_id), ask)

    async def cancel_foreseen(self, account_id: str, when: When, subscription_id: str | None) -> Asked:
        """What a cancellation would come to. Nobody is asked. Raises also AlreadyCancelled."""
        return (await self._cancel(account_id, when, subscription_id)).asked

    async def reactivate(self, account_id: str, subscription_id: str | None, asker: Asker) -> Answered:
        """Take back that a subscription ends, or changes, at the end of its period. Raises also NotCancelled."""
        asking = _Wish("reactivate", account_id, asker, {"subscription_id": subscription_id})
        return await self._once(asking, lambda: self._reactivate(account_id, subscription_id), _ask_reactivate)

    async def reactivate_foreseen(self, account_id: str, subscription_id: str | None) -> Asked:
        """What a reactivation would come to. Nobody is asked. Raises also NotCancelled."""
        return (await self._reactivate(account_id, subscription_id)).asked

    async def portal(self, account_id: str, return_url: str, subscription_id: str | None = None) -> str:
        """The address of the provider's page with invoices and the ways to pay. Raises ProviderFailed."""
        running = named((await self._seen(account_id)).running, account_id, subscription_id)
        return await self.calls_of(running).portal(running.own_id, None, return_url)

    async def foreseen(self, account_id: str, offers: Mapping[str, Offer]) -> dict[str, Foreseen]:
        """What a change to each of some plans would be, by their ids; nothing for a plan that no subscription can be
        changed to. Nobody is asked. Raises AccountNotFound."""
        seen = await self._seen(account_id)
        running = [one for one in seen.running if one.provider in self.calls]
        if not running:
            return {}
        async with self._ledger.log.connection() as connection:
            found = list(choices(running, offers, await currencies_of(connection, running)))
            targets = await targets_of(connection, found)
        return {
            choice.wish.plan: foreseen(seen, choice.running, target)
            for choice, target in zip(found, targets, strict=True)
        }

    # What a wish comes to ---------------------------------------------------------------------------------------

    async def _upgrade(self, account_id: str, wish: PlanWish) -> _Decided:
        seen, running, target = await self._target(account_id, wish)
        check_upgrade(running, target)
        _check_runs_on(running)
        await self._check_paid(running)
        amount = await self.calls_of(running).quote(running.own_id, *target.sold_as)
        effect: Effect = "checkout" if running.provider == MANUAL and amount else "now"
        asked = replace(upgraded(seen, running, target), amount_minor=amount, effect=effect)
        return _Decided(running, asked, target)

    async def _downgrade(self, account_id: str, wish: PlanWish) -> _Decided:
        seen, running, target = await self._target(account_id, wish)
        check_downgrade(running, target)
        _check_runs_on(running)
        at, recorded = ends_at(running, seen.at), running.now["next_plan"] == target.plan
        held = not recorded and not self.calls_of(running).schedules and at - BEFORE_END > seen.at
        before = (await self.receipts.held([running.id])).get(running.id) if held else None
        asked = Asked(running.id, running.provider, "period_end", running.now["status"], at, new_plan(target))
        is_so = recorded or (before is not None and (before.product, before.quantity) == target.sold_as)
        return _Decided(running, replace(asked, held=held, recorded=recorded), target, is_so)

    async def _cancel(self, account_id: str, when: When, subscription_id: str | None) -> _Decided:
        seen = await self._seen(account_id)
        running = named(seen.running, account_id, subscription_id)
        if when == "period_end":
            _check_runs_on(running)
        self.calls_of(running)
        at = seen.at if when == "now" else ends_at(running, seen.at)
        return _Decided(running, Asked(running.id, running.provider, when, running.now["status"], at))

    async def _reactivate(self, account_id: str, subscription_id: str | None) -> _Decided:
        seen = await self._seen(account_id)
        running = named(seen.running, account_id, subscription_id)
        at_provider = running.now["cancel_at"] is not None or running.now["next_plan"] is not None
        held = running.id in await self.receipts.held([running.id])
        if not at_provider and not held:
            raise NotCancelled(running.id)
        self.calls_of(running)
        asked = Asked(running.id, running.provider, "now", running.now["status"], recorded=not at_provider)
        return _Decided(running, asked)

    async def _target(self, account_id: str, wish: PlanWish) -> tuple[Seen, Running, Target]:
        seen = await self._seen(account_id)
        async with self._ledger.log.connection() as connection:
            offer = await offer_of(connection, wish.plan)
            running = in_group(seen.running, account_id, offer.plan.group, await groups_of(connection))
            choice = choice_of(wish, offer, running, await currencies_of(connection, [running]))
            [target] = await targets_of(connection, [choice])
            return seen, running, target

    async def _check_paid(self, running: Running) -> None:
        """Raise PaymentDue if the period of a subscription is over and not paid."""
        if running.now["status"] == "past_due":
            async with self._ledger.log.connection() as connection:
                raise PaymentDue(running.id, await requested(connection, running.own_id))

    async def _seen(self, account_id: str) -> Seen:
        found = await self._ledger.account_at(account_id)
        if found is None:
            raise AccountNotFound(account_id)
        return Seen(found.account, found.as_of, running_of(found.account, found.as_of))

    async def running(self, account_id: str) -> list[Running]:
        """The active subscriptions of an account, the one that counts first."""
        return (await self._seen(account_id)).running

    def calls_of(self, running: Running) -> Calls:
        """The calls to the provider of a subscription. Raises ProviderCannot."""
        found = self.calls.get(running.provider)
        if found is None:
            raise ProviderCannot(
                f"This ledger cannot call {running.provider}, so it cannot change the subscription. "
                "Change it at the provider: the ledger follows.",
                provider=running.provider,
                subscription_id=running.id,
            )
        return found

    # Asking for it, once ----------------------------------------------------------------------------------------

    async def _once(self, wish: _Wish, decide: _Decide, ask: _Ask) -> Answered:
        """Ask for what a wish comes to, or answer again what was answered under its key."""
        if (before := await self._before(wish, wish.asker.key)) is not None:
            return before
        decided = await decide()
        if decided.is_so:
            return Answered(decided.asked)
        key = wish.asker.key or await self._key_of_state(wish, decided)
        if (before := await self._before(wish, key)) is not None:
            return before
        changed = Changed()
        if decided.asks_provider:
            await _after_newest_word(decided.running, self.clock())
            changed = await ask(self.calls_of(decided.running), decided, _at_provider(wish, key))
            await self.put_down(changed)
        asked = _with_page(decided.asked, changed)
        await self.receipts.put(self._receipt(wish, key, asked, decided.target))
        return Answered(asked)

    async def _key_of_state(self, wish: _Wish, decided: _Decided) -> str:
        """The key of a wish whose caller gives none: what is asked for, in this state of the subscription, after the
        last wish that was another one.

        Providers remember for a day that they refused a key, such as for a card without money, so it has the hour in
        it. What the provider is not asked for now changes no state that the ledger knows, so each such wish is a new
        one.
        """
        running, now = decided.running, self.clock()
        last = await self.receipts.last_other(wish.account_id, running.id, wish.operation, wish.fingerprint)
        state = [running.known_at, running.now["cancel_at"], running.now["next_plan"], decided.asked.new, last]
        time = now.strftime("%Y-%m-%dT%H") if decided.asks_provider else now
        named = [wish.operation, running.id, wish.body, state, time]
        return f"state:{sha256(orjson.dumps(named, option=orjson.OPT_SORT_KEYS)).hexdigest()}"

    async def _before(self, wish: _Wish, key: str | None) -> Answered | None:
        if key is None:
            return None
        found = await self.receipts.find(wish.account_id, wish.operation, key, wish.fingerprint)
        return None if found is None else Answered(_ASKED.validate_python(found), replayed=True)

    def _receipt(self, wish: _Wish, key: str, asked: Asked, target: Target | None) -> Receipt:
        held = None
        if asked.held:
            assert target is not None
            assert asked.at is not None
            held = Held(asked.subscription_id, target.plan, target.product, target.quantity, asked.at - BEFORE_END)
        answer = _ASKED.dump_python(asked, mode="json")
        return Receipt(
            wish.account_id,
            asked.subscription_id,
            wish.operation,
            key,
            wish.fingerprint,
            answer,
            wish.asker.actor,
            self.clock(),
            wish.asker.reason,
            held,
        )

    async def put_down(self, changed: Changed) -> None:
        """Put what a provider answered into the inbox, as its webhooks are."""
        for delivery in changed.deliveries:
            await self._inbox.put_down(Arrival(delivery, {}, self.clock()))
        self._arrived()


async def _after_newest_word(running: Running, now: datetime) -> None:
    """Wait until an answer is as of a later second than the newest word: of two words of one second nobody could tell
    which is the later one."""
    if running.known_at is not None:
        await asyncio.sleep(min(max(running.known_at + SLOWEST - now, timedelta()), SLOWEST).total_seconds())


async def _ask_upgrade(calls: Calls, decided: _Decided, key: str) -> Changed:
    assert decided.target is not None
    return await calls.change(decided.running.own_id, *decided.target.sold_as, "now", key)


async def _ask_downgrade(calls: Calls, decided: _Decided, key: str) -> Changed:
    assert decided.target is not None
    return await calls.change(decided.running.own_id, *decided.target.sold_as, "period_end", key)


async def _ask_reactivate(calls: Calls, decided: _Decided, key: str) -> Changed:
    return await calls.resume(decided.running.own_id, key)


def _with_page(foreseen: Asked, changed: Changed) -> Asked:
    page = changed.page
    if page is None:
        return foreseen
    return replace(foreseen, effect="checkout", url=page.url, expires_at=page.expires_at)


def _check_runs_on(running: Running) -> None:
    """Raise AlreadyCancelled if a subscription ends at the end of its period."""
    cancel_at = running.now["cancel_at"]
    if cancel_at is not None:
        raise AlreadyCancelled(running.id, cancel_at)


def _at_provider(wish: _Wish, key: str) -> str:
    """The key of a call to the provider: no two accounts or operations have the same."""
    return sha256("\0".join([wish.account_id, wish.operation, key]).encode()).hexdigest()
