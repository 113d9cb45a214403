"""The parts of a process of the service, and how the routes find them."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.applications import Starlette

from api.dashboard.options import Options
from api.http.billing.receiving import WebhookEntrance
from api.http.commands.batch_endpoint import BatchEndpoint
from api.http.commands.command_endpoint import CommandEndpoint
from api.http.commands.verification_endpoint import VerificationEndpoint
from api.http.documents.documents import Documents
from api.http.documents.parties import letterhead_of
from api.http.documents.press import Press
from api.http.health import Health
from api.http.queries.reads import Reads
from api.imports.runs import ImportRuns
from api.runtime.listening.listen_address import links_need_public_url
from api.runtime.settings import Settings
from api.streaming.follower import Follower
from api.streaming.places import StreamPlaces
from audit.revenue.reading import RevenueReading
from billing.calls.calls import Calls
from billing.changes.changing import Changing
from billing.checkouts.checkouts import Checkouts
from billing.inbox.inbox import Inbox
from billing.manual.payments import Payments
from billing.prices.current import CurrentPrices
from billing.provider_invoices import ProviderInvoices
from ledger.service import Ledger
from people.keys.issuing import Keys
from people.keys.ring import KeyRing
from people.oidc.words import SignsInAtProvider
from people.secrets import cursor_key
from people.sessions import SessionWatch
from people.sign_in.people import People
from people.teams.people_in_teams import PeopleInTeams
from people.users_and_teams import Directory


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts of one process. app.py creates them."""

    endpoint: CommandEndpoint
    batches: BatchEndpoint
    reads: Reads
    health: Health
    keys: KeyRing
    follower: Follower
    places: StreamPlaces
    session_watch: SessionWatch
    options: Options
    import_runs: ImportRuns
    inbox: Inbox
    webhooks: WebhookEntrance
    calls: Mapping[str, Calls]
    """The calls to the payment providers that can be called, by their names."""
    checkouts: Checkouts
    payments: Payments
    changing: Changing
    invoices: ProviderInvoices
    documents: Documents
    prices: CurrentPrices
    revenue: RevenueReading
    people: People | None
    """Those who sign in here; None when nobody does."""
    identity_provider: SignsInAtProvider | None
    """How people sign in at the provider of the product; None without one."""
    teams: PeopleInTeams | None
    """Their teams."""
    directory: Directory
    """All users and teams, for services."""
    verifications: VerificationEndpoint
    account_keys: Keys

    def attach_to(self, app: Starlette) -> None:
        """Set the parts as the state of an application, each under its own name, where its routes find them."""
        for part in self.__slots__:
            setattr(app.state, part, getattr(self, part))

    async def read_secrets_and_prices(self) -> None:
        """Read what the first request needs: the API keys, the secrets of webhooks and cursors, the price book."""
        await self.keys.refresh()
        await self.prices.refresh()
        await self.inbox.read_key()
        self.reads.cursors.use(await cursor_key(self.reads.ledger.log))


def keys_of_accounts(
    settings: Settings, ledger: Ledger, keys: KeyRing, endpoint: CommandEndpoint
) -> tuple[VerificationEndpoint, Keys]:
    """What verifies keys of accounts, and what makes them."""
    return VerificationEndpoint(ledger, keys, endpoint), Keys(ledger.log, ledger.clock, settings.key_brand)


def documents_in(settings: Settings) -> Documents:
    """What makes documents, as the settings say."""
    press = Press([settings.font_dir] if settings.font_dir is not None else [])
    return Documents(settings.signing, settings.checkpoints, letterhead_of(settings), press)


def dashboard_options(settings: Settings) -> Options:
    """The settings of the dashboard."""
    return Options(
        settings.public_url and settings.public_url.rstrip("/"),
        links_need_public_url(settings),
        settings.billing_url,
        settings.low_credits,
        settings.credit_price,
        settings.currency,
        settings.manual,
        settings.seller,
        settings.bank_details,
        settings.proxy_networks,
    )
