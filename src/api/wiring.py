"""What a process of the service is made of, and which part of it each room is given."""

from dataclasses import dataclass

from starlette.applications import Starlette

from api.dashboard.options import Options
from api.http.command_endpoint import CommandEndpoint
from api.http.health import Health
from api.http.reads import Reads
from api.runtime.settings import Settings
from api.streaming.follower import Follower
from people.api_keys import KeyRing


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts of one process, put together in app.py."""

    endpoint: CommandEndpoint
    reads: Reads
    health: Health
    keys: KeyRing
    follower: Follower
    options: Options

    def give_to(self, app: Starlette) -> None:
        """Let the routes of an application find the parts, each under its own name."""
        for part in self.__slots__:
            setattr(app.state, part, getattr(self, part))


def dashboard_options(settings: Settings) -> Options:
    """The settings that the dashboard shows or goes by."""
    return Options(
        settings.public_url and settings.public_url.rstrip("/"),
        settings.billing_url,
        settings.low_credits,
        settings.credit_price,
        settings.currency,
    )
