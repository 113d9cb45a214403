"""A whole inbox on a real database, with a clock of its own: deliveries go in, and the ledger says what came of it."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from billing import catalog
from billing.catalog_changes import Wanted
from billing.inbox.biller import Biller, Connection
from billing.inbox.deciding import Decided
from billing.inbox.inbox import Inbox
from billing.inbox.receiving import Reception
from billing.inbox.spool import Spool
from billing.inbox.webhook import PutDown, Webhook
from billing.known_providers import PROVIDERS
from billing.plans import Package, Plan
from billing.providers.manual import Manual
from billing.providers.provider import Provider
from billing.simulation.signing import events_of, signed
from billing.simulation.steps import Customer, Event, Step
from ledger.commit.submission import Outcome, Submission
from ledger.domain.commands import Command, OpenAccount
from ledger.domain.events import Event as Recorded
from ledger.postgres.connecting import connect_async
from ledger.service import Ledger
from ledger.store import Metadata, decode_event
from tests.billing.lives import NOW, PRICES, SECRETS, SIMULATED
from tests.conftest import Clock

KEEP = timedelta(days=90)
CREDITS = 500
"""The credits of a package."""
PROVIDER_NAMES = SIMULATED


@dataclass
class Desk:
    """The parts of an inbox, and what tests do with them."""

    ledger: Ledger
    clock: Clock
    inbox: Inbox
    spool: Spool
    reception: Reception
    biller: Biller
    connection: Connection
    """That of the biller."""
    decided: list[Decided] = field(default_factory=list)

    async def deliver(self, provider: str, event: Event) -> PutDown:
        """Let a provider deliver an event now."""
        told = signed(provider, event, SECRETS[provider], self.clock.now)
        return await self.reception.receive(provider, told.headers, told.body)

    async def deliver_all(self, provider: str, events: Iterable[Event]) -> None:
        """Let a provider deliver events, and apply what is due after each."""
        for event in events:
            await self.deliver(provider, event)
            await self.apply()

    async def apply(self) -> None:
        """Apply all that is due."""
        while await self.biller.turn(self.connection):
            pass

    async def wait(self, **length: float) -> None:
        """Let time pass, and apply what is due then."""
        self.clock.forward(**length)
        await self.apply()

    async def open(self, account_id: str, credits: int = 0) -> None:
        """Open an account."""
        await self.ask(OpenAccount(account_id, credits), "open")

    async def ask(self, command: Command, operation: str, key: str = "test") -> Outcome:
        """Carry out a command of somebody else."""
        return await self.ledger.execute(Submission(command, Metadata("test", operation, key, f"test-{key}")))

    async def webhooks(self, state: Any = None) -> list[Webhook]:
        """All webhooks, the oldest first."""
        return (await self.inbox.page(state, limit=1_000))[::-1]

    async def only(self) -> Webhook:
        """The one webhook that there is."""
        [found] = await self.webhooks()
        return found

    async def available(self, account_id: str) -> int:
        """The credits that an account may spend."""
        found = await self.ledger.account_at(account_id)
        assert found is not None
        return found.account.balance.available

    async def events(self, account_id: str) -> list[Recorded]:
        """All events of an account."""
        return [decode_event(row.topic, row.state) for row in await self.ledger.stream(account_id, 0, 1_000)]


def events_told(provider: str, customer: Customer, steps: Iterable[Step], *, live: bool = True) -> list[Event]:
    """The events with which a provider tells the steps of a customer."""
    return [event for step in steps for event in events_of(provider, customer, step, live=live)]


@asynccontextmanager
async def running_desk(
    database: str, clock: Clock, folder: Path, *, catalogue: bool = True, patience: float = 5.0
) -> AsyncIterator[Desk]:
    """An inbox on a database, whose catalogue has what simulated customers buy."""
    clock.now = NOW
    decided: list[Decided] = []
    async with Ledger(database, clock=clock).running() as ledger, await connect_async(database) as connection:
        if catalogue:
            await sell(ledger)
        inbox = Inbox(ledger.log)
        await inbox.read_key()
        desk = _desk(ledger, clock, inbox, database, folder, connection, decided.append, patience)
        desk.decided = decided
        yield desk


def _desk(
    ledger: Ledger,
    clock: Clock,
    inbox: Inbox,
    database: str,
    folder: Path,
    connection: Connection,
    observe: Callable[[Decided], None],
    patience: float,
) -> Desk:
    providers: dict[str, Provider] = {name: PROVIDERS[name]((SECRETS[name],)) for name in SIMULATED}
    providers["manual"] = Manual(lambda: (inbox.manual_key,))
    modes = dict.fromkeys(providers, "live")
    biller = Biller(ledger, inbox, database, providers, modes, "hold", KEEP, observe)  # type: ignore[arg-type]
    spool = Spool(folder / "webhooks", lambda: inbox.seal)
    reception = Reception(inbox, spool, providers, clock, biller.arrived.set, patience=patience)
    return Desk(ledger, clock, inbox, spool, reception, biller, connection)


async def sell(ledger: Ledger) -> None:
    """Put into the catalogue what simulated customers buy."""
    package = Package.model_validate({"name": "Credits", "credits": CREDITS, "prices": [_price("package")]})
    lite = Plan.model_validate({"name": "Lite", "credits": 1_000, "prices": [_monthly("plan")]})
    pro = Plan.model_validate({"name": "Pro", "credits": 5_000, "rank": 1, "prices": [_monthly("better_plan")]})
    wanted = [Wanted("credits", package), Wanted("lite", lite), Wanted("pro", pro)]
    async with ledger.log.connection() as connection:
        await catalog.put(connection, wanted, "test")


def _price(what: str) -> dict[str, Any]:
    products = {name: getattr(prices, what) for name, prices in PRICES.items()}
    return {"price": "once", "amount_minor": 1_000, "currency": "USD", "products": products}


def _monthly(what: str) -> dict[str, Any]:
    return {**_price(what), "interval": {"months": 1}}
