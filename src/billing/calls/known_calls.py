"""The payment providers that can be called, and the calls to those for which there is an API key."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from billing.calls.access import Access
from billing.calls.calls import Calls, InvoiceCalls

CALLED: Mapping[str, tuple[str, str]] = {
    "dodo": ("billing.calls.dodo", "DodoCalls"),
    "lemonsqueezy": ("billing.calls.lemonsqueezy", "LemonSqueezyCalls"),
    "stripe": ("billing.calls.stripe", "StripeCalls"),
}
"""The module and the class of each provider that can be called. They are imported when there is a key: a service that
calls nobody starts without the HTTP library."""
INVOICED: Mapping[str, tuple[str, str]] = {
    "paddle": ("billing.calls.paddle", "PaddleInvoices"),
    "polar": ("billing.calls.polar", "PolarInvoices"),
}
"""The same for those that are asked about invoices, and about nothing else."""

Made = Callable[[type[Any]], Callable[..., Any]]
"""What makes the calls of a class: the class itself, or one like it."""


def itself(calls: type[Any]) -> type[Any]:
    """A class as it is."""
    return calls


def calls_of(accesses: Mapping[str, Access], made: Made = itself) -> dict[str, Calls]:
    """The calls to the providers to which there is access. Raises KeyError for one that cannot be called."""
    return {name: made(_named(CALLED[name]))(access) for name, access in accesses.items()}


def invoice_calls_of(accesses: Mapping[str, Access], made: Made = itself) -> dict[str, InvoiceCalls]:
    """The calls to those that are asked about invoices alone. Raises KeyError for another one."""
    return {name: made(_named(INVOICED[name]))(access) for name, access in accesses.items()}


def _named(names: tuple[str, str]) -> Any:
    module, calls = names
    return getattr(import_module(module), calls)
