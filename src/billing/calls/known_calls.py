"""The payment providers that can be called, and the calls to those for which there is an API key."""

from collections.abc import Mapping
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


def calls_of(accesses: Mapping[str, Access]) -> dict[str, Calls]:
    """The calls to the providers to which there is access. Raises KeyError for one that cannot be called."""
    return {name: _calls(name, access) for name, access in accesses.items()}


def invoice_calls_of(accesses: Mapping[str, Access]) -> dict[str, InvoiceCalls]:
    """The calls to those that are asked about invoices alone. Raises KeyError for another one."""
    return {name: _invoice_calls(name, access) for name, access in accesses.items()}


def _calls(name: str, access: Access) -> Calls:
    calls: Calls = _made(CALLED[name], access)
    return calls


def _invoice_calls(name: str, access: Access) -> InvoiceCalls:
    calls: InvoiceCalls = _made(INVOICED[name], access)
    return calls


def _made(named: tuple[str, str], access: Access) -> Any:
    module, made = named
    return getattr(import_module(module), made)(access)
