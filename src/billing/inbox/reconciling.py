"""Reconciling: what a provider has is read again, and what its webhooks have not said is put down in the inbox.

A delivery that says nothing new is left out: reading the same again, every day, adds no row. What is put down is
applied like any webhook, so it comes to the same as if its webhook had come.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.calls.calls import Calls, ProviderFailed
from billing.facts import Fact, Incomplete
from billing.inbox.before import known_before
from billing.inbox.inbox import Inbox
from billing.inbox.webhook import Arrival, Mode, other_mode
from billing.known_facts import Connection, rows
from billing.providers.provider import Delivery, Provider
from ledger.postgres.named_sql import queries

LOOK_BACK = timedelta(days=3)
"""How far back is read when nothing else is told: providers send webhooks again for about as long."""
_LATE = timedelta(hours=2)
"""A payment may come this long after its period began: Stripe waits an hour before it charges."""
_MOST_SUBSCRIPTIONS = 1_000
_BATCH = 100
_NOT_FOUND = 404
Told = Callable[[int], None]
"""Is told how many deliveries have been read so far."""
SQL = queries("billing", "sql/reconciling.sql")


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What became of reading a provider again: how many deliveries were read, and how many of them said something new;
    how many subscriptions were asked for because they are overdue, and which of them the provider does not know."""

    provider: str
    read: int
    new: int
    subscriptions: int
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A provider as it is read again: its calls, the reader of its facts, and its mode."""

    calls: Calls
    provider: Provider
    mode: Mode


async def reconcile(
    source: Source, inbox: Inbox, connection: Connection, since: datetime, clock: Callable[[], datetime], told: Told
) -> Reconciled:
    """Read what happened at a provider since a moment, and the subscriptions that are overdue.

    What was put down before a failure stays. Raises ProviderFailed and psycopg.Error.
    """
    name, put_down = source.calls.provider, _PutDown(source, inbox, connection, clock, told)
    async for batch in _batches(source.calls.since(since)):
        await put_down.all(batch)
    overdue, unknown = await _overdue(connection, name, clock() - _LATE), []
    for subscription in overdue:
        try:
            await put_down.all(await source.calls.again(subscription.removeprefix(f"{name}:")))
        except ProviderFailed as error:
            if error.facts.get("provider_status") != _NOT_FOUND:
                raise
            unknown.append(subscription)
    return Reconciled(name, put_down.read, put_down.new, len(overdue), tuple(unknown))


class _PutDown:
    """Puts down what is new, and counts."""

    def __init__(
        self, source: Source, inbox: Inbox, connection: Connection, clock: Callable[[], datetime], told: Told
    ) -> None:
        self._source = source
        self._inbox = inbox
        self._connection = connection
        self._clock = clock
        self._told = told
        self.read = 0
        self.new = 0

    async def all(self, deliveries: Sequence[Delivery]) -> None:
        """Put down those of some deliveries that say something new."""
        facts = [self._facts(one) for one in deliveries]
        before = await known_before(self._connection, [fact for some in facts for fact in some or ()])
        self.read += len(deliveries)
        for delivery, some in zip(deliveries, facts, strict=True):
            if some is None or not all(map(before.has, some)):
                done = await self._inbox.put_down(Arrival(delivery, {}, self._clock()))
                self.new += not done.duplicate
        self._told(self.read)

    def _facts(self, delivery: Delivery) -> Sequence[Fact] | None:
        """What a delivery says; nothing if it is of the other mode; None if it cannot be read, and must be seen."""
        if other_mode(self._source.mode, live=delivery.live) is not None:
            return ()
        try:
            return self._source.provider.facts(delivery)
        except Incomplete:
            return None


async def _overdue(connection: Connection, provider: str, before: datetime) -> Collection[str]:
    parameters = {"provider": provider, "before": before, "limit": _MOST_SUBSCRIPTIONS}
    return [row["subscription"] for row in await rows(connection, SQL["overdue"], parameters)]


async def _batches(deliveries: AsyncIterator[Delivery]) -> AsyncIterator[Sequence[Delivery]]:
    batch: list[Delivery] = []
    async for one in deliveries:
        batch.append(one)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch
