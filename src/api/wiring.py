"""What a process of the service is made of."""

from dataclasses import dataclass

from api.dashboard.options import Options
from api.http.command_endpoint import CommandEndpoint
from api.runtime.checkpoints import Checkpoints
from api.streaming.follower import Follower
from ledger.clock import GuardedClock
from ledger.postgres.privileges import PrivilegeWatch
from ledger.service import Ledger
from people.api_keys import KeyRing
from projections.models.views import Views


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts, put together in app.py."""

    ledger: Ledger
    clock: GuardedClock
    """The ledger's."""
    keys: KeyRing
    endpoint: CommandEndpoint
    views: Views
    follower: Follower
    checkpoints: Checkpoints
    privileges: PrivilegeWatch
    options: Options
    """What the dashboard goes by."""
    processes: bool
    """Whether several worker processes serve together."""
