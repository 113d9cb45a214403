"""The biller: applies the webhooks of the inbox to the ledger, in one process of a service at a time.

A turn takes some webhooks that are due, joins their facts with what is known, and carries out what the planner makes of
all that is known about their payments and subscriptions. Every step may be done again: the facts are joined, and the
commands have keys. So a turn that was cut short, at whatever moment, is done again and comes to the same.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row

from billing.facts import PaymentSeen
from billing.inbox.deciding import BUSY, FAILED, Decided, Due, Read, Result, columns, decided, read, reason_to_wait
from billing.inbox.inbox import Inbox
from billing.inbox.webhook import Mode
from billing.known import Known, names_subscription
from billing.known_facts import known_about, names_of, note
from billing.planner import opening, plan_payment
from billing.providers.provider import Provider
from billing.steps import FactKind, Plan, Step, Waits, all_wait
from billing.subscription_planner import plan_subscription
from ledger.commit.submission import Outcome, Overloaded, Recorded, Submission, Unavailable
from ledger.domain.commands import OnDispute
from ledger.domain.errors import AccountExists, AccountNotFound, Refusal
from ledger.postgres.connecting import connect_async
from ledger.postgres.errors import LOST
from ledger.postgres.named_sql import queries
from ledger.service import Ledger
from ledger.store import Metadata, fingerprint

BATCH = 200
"""Webhooks of one turn."""
INTERVAL = 0.5
"""Seconds between two looks for webhooks that other processes have put down."""
_GATHERING = 0.03
"""Seconds for which arrivals are gathered: a turn of many takes little more than a turn of one."""
_RETRY = 2.0
_DROP_EVERY = timedelta(hours=1)
_SQL = queries("billing", "sql/biller.sql")
_INBOX = queries("billing", "sql/inbox.sql")
_log = logging.getLogger("credit_ledger.webhooks")

Connection = AsyncConnection[Any]
Observe = Callable[[Decided], None]
Duty = Callable[[Connection, datetime], Awaitable[None]]


class Biller:
    """Applies webhooks until it is cancelled.

    `observe` is told what becomes of each. Bodies are dropped `keep` after they arrived. A payment opens its account
    with `opens_with` credits, if there is none and that is not None.
    """

    def __init__(
        self,
        ledger: Ledger,
        inbox: Inbox,
        conninfo: str,
        providers: Mapping[str, Provider],
        modes: Mapping[str, Mode],
        on_dispute: OnDispute,
        keep: timedelta,
        observe: Observe,
        opens_with: int | None = None,
    ) -> None:
        self._ledger = ledger
        self._inbox = inbox
        self._conninfo = conninfo
        self._providers = providers
        self._modes = modes
        self._on_dispute = on_dispute
        self._keep = keep
        self._observe = observe
        self._opens_with = opens_with
        self.arrived = asyncio.Event()
        """Set when this process has put something down, so that the next turn begins at once."""
        self.duties: list[Duty] = []
        """What else the one that leads does in each turn, with its connection and the time of the ledger."""
        self._leading = False
        self._products: int | None = None
        self._dropped_at: datetime | None = None

    async def run(self) -> None:
        """Apply webhooks until cancelled. After a lost connection, wait for the database."""
        while True:
            self._leading = False
            try:
                async with await connect_async(self._conninfo) as connection:
                    await self._apply_on(connection)
            except psycopg.Error as error:
                _log.warning("the biller waits for the database: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(_RETRY)

    async def _apply_on(self, connection: Connection) -> None:
        await connection.execute(_SQL["by_index"])
        while True:
            self.arrived.clear()
            if await self._leads(connection):
                await self._wake_for_products(connection)
                await self._drop_bodies(connection)
                await self._do_duties(connection)
                while await self.turn(connection) == BATCH:
                    pass
            await _first(self.arrived.wait(), INTERVAL)
            await asyncio.sleep(_GATHERING)

    async def _do_duties(self, connection: Connection) -> None:
        """Do what else there is. An error of ours in one must keep no webhook from being applied."""
        for duty in self.duties:
            try:
                await duty(connection, self._ledger.clock())
            except LOST:
                raise
            except Exception:
                _log.exception("a duty of the biller failed; it is done again in the next turn")

    async def _leads(self, connection: Connection) -> bool:
        if not self._leading:
            row = await (await connection.execute(_SQL["lead_biller"])).fetchone()
            self._leading = bool(row and row[0])
        return self._leading

    async def turn(self, connection: Connection) -> int:
        """Apply some webhooks that are due. Returns how many there were."""
        now = self._ledger.clock()
        reads = [self._read(due) for due in await _due(connection, now)]
        if not reads:
            return 0
        await self._note(connection, reads, now)
        names = await names_of(connection, frozenset().union(*(one.subjects for one in reads)))
        known = await known_about(connection, names)
        results = await self._results(reads, known)
        decisions = [decided(one, _of(one, known, results)) for one in reads]
        await connection.execute(_SQL["decide"], columns(decisions, now))
        for one in decisions:
            self._observe(one)
        return len(reads)

    def _read(self, due: Due) -> Read:
        mode = self._modes.get(due.provider, "live")
        return read(due, self._providers.get(due.provider), mode, self._inbox.seal)

    async def _note(self, connection: Connection, reads: Iterable[Read], now: datetime) -> None:
        """Join the facts of webhooks with what is known, and wake what may have waited for them, all at once."""
        facts = [fact for one in reads if one.waits is None for fact in one.facts]
        async with connection.transaction():
            more = await note(connection, facts)
            if more:
                same = await names_of(connection, more)
                await connection.execute(_INBOX["wake"], {"names": sorted(same.all), "now": now})

    async def _results(self, reads: Iterable[Read], known: Known) -> dict[str, Result]:
        """What becomes of the payments and subscriptions, by their own names. Events name one webhook of each."""
        first: dict[str, Due] = {}
        for one in reads:
            for subject in one.subjects:
                first.setdefault(known.own_name(subject), one.due)
        done = await asyncio.gather(*(self._apply(subject, due, known) for subject, due in first.items()))
        return dict(zip(first, done, strict=True))

    async def _apply(self, subject: str, due: Due, known: Known) -> Result:
        """Carry out what follows from all that is known about a payment or a subscription."""
        try:
            plan = self._plan(subject, due.provider, known)
        except Refusal as refusal:
            return Result(None, {}, all_wait(subject, reason_to_wait(refusal) or FAILED))
        positions: dict[FactKind, tuple[int, ...]] = {}
        waits = dict(plan.waits)
        for step in plan.steps:
            outcome = await self._outcome(step, due)
            reason = outcome if isinstance(outcome, Waits) else reason_to_wait(outcome)
            if isinstance(outcome, Recorded):
                positions[step.fact] = (*positions.get(step.fact, ()), outcome.position)
            elif reason is not None and step.fact is PaymentSeen:
                waits |= all_wait(subject, reason)
                break  # all else is about the payment
            elif reason is not None:
                waits[step.fact] = reason
        return Result(plan.account_id, positions, waits)

    def _plan(self, subject: str, provider: str, known: Known) -> Plan:
        if names_subscription(subject):
            return plan_subscription(subject, provider, known)
        return plan_payment(subject, provider, known, self._on_dispute)

    async def _outcome(self, step: Step, due: Due) -> Outcome | Waits:
        """The outcome of a command, or why there is none. A payment may open its account first."""
        outcome = await self._executed(step, due)
        if isinstance(outcome, AccountNotFound) and await self._opened(step, due):
            return await self._executed(step, due)
        return outcome

    async def _opened(self, step: Step, due: Due) -> bool:
        """Open the account of a payment, if accounts are opened so. Whether it was, by this or somebody else."""
        if self._opens_with is None:
            return False
        try:
            first = opening(step, self._opens_with)
        except Refusal:  # no account can have this id
            return False
        return first is not None and isinstance(await self._executed(first, due), Recorded | AccountExists)

    async def _executed(self, step: Step, due: Due) -> Outcome | Waits:
        """The outcome of a command, or why there is none. An error of ours in one must not keep others from theirs."""
        metadata = Metadata(f"provider:{due.provider}", step.operation, step.key, due.webhook_id)
        try:
            return await self._ledger.execute(Submission(step.command, metadata, fingerprint([step.key])))
        except (Overloaded, Unavailable):
            return BUSY
        except Exception:
            _log.exception("webhook %s cannot be applied", due.webhook_id)
            return FAILED

    async def _wake_for_products(self, connection: Connection) -> None:
        """When the catalogue has more products than before, try again what waited for one."""
        row = await (await connection.execute(_SQL["products"])).fetchone()
        count = row[0] if row else 0
        if self._products is not None and count != self._products:
            await connection.execute(_SQL["wake_products"], {"now": self._ledger.clock()})
        self._products = count

    async def _drop_bodies(self, connection: Connection) -> None:
        """Once in a while, drop bodies that have been kept for long enough."""
        now = self._ledger.clock()
        if self._dropped_at is not None and now - self._dropped_at < _DROP_EVERY:
            return
        dropped = 1
        while dropped:
            dropped = (await connection.execute(_INBOX["drop_bodies"], {"before": now - self._keep})).rowcount
        self._dropped_at = now


async def _due(connection: Connection, now: datetime) -> list[Due]:
    async with connection.cursor(row_factory=class_row(Due)) as cursor:
        await cursor.execute(_SQL["due"], {"now": now, "limit": BATCH})
        return await cursor.fetchall()


def _of(one: Read, known: Known, results: Mapping[str, Result]) -> list[Result]:
    return [results[name] for name in sorted({known.own_name(subject) for subject in one.subjects})]


async def _first(happening: Awaitable[Any], seconds: float) -> None:
    """Wait until something happens, at most some seconds."""
    try:
        await asyncio.wait_for(happening, seconds)
    except TimeoutError:
        return
