"""The payment providers that can be called, and the calls to those for which there is an API key."""

from collections.abc import Mapping
from importlib import import_module

from billing.calls.access import Access
from billing.calls.calls import Calls

CALLED: Mapping[str, tuple[str, str]] = {
    "dodo": ("billing.calls.dodo", "DodoCalls"),
    "lemonsqueezy": ("billing.calls.lemonsqueezy", "LemonSqueezyCalls"),
    "stripe": ("billing.calls.stripe", "StripeCalls"),
}
"""The module and the class of each provider that can be called. They are imported when there is a key: a service that
calls nobody starts without the HTTP library."""


def calls_of(accesses: Mapping[str, Access]) -> dict[str, Calls]:
    """The calls to the providers to which there is access. Raises KeyError for one that cannot be called."""
    return {name: _calls(name, access) for name, access in accesses.items()}


def _calls(name: str, access: Access) -> Calls:
    module, made = CALLED[name]
    calls: Calls = getattr(import_module(module), made)(access)
    return calls
