"""The API keys of a process, as the settings say: the key of the settings, rates, and where keys are used from."""

from functools import partial
from pathlib import Path

from api.http.people.origins import network_behind
from api.runtime.settings import Settings
from ledger.service import Ledger
from people.keys.ring import KeyRing
from people.keys.uses import KeyUses
from people.rate_limits import RateLimits


def keys_here(settings: Settings, ledger: Ledger, shared_rates: str | None) -> KeyRing:
    """The keys of a process. `shared_rates` is the file in which workers share how often keys were used."""
    admin_key = settings.admin_key.get_secret_value() if settings.admin_key else None
    uses = KeyUses(ledger.log, ledger.clock, partial(network_behind, settings.proxy_networks))
    return KeyRing(ledger.log, ledger.clock, admin_key, *_rate_limits(settings, shared_rates), uses)


def _rate_limits(settings: Settings, path: str | None) -> tuple[RateLimits | None, RateLimits]:
    """The limits of all keys, shared with the other workers: by the second, if there is one; and that of each key."""
    shared = Path(path) if path else None
    return RateLimits(settings.rate_limit, shared) if settings.rate_limit else None, RateLimits(1, shared, window=60)
