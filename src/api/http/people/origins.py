"""Where a request of a person comes from: the network that its wrong passwords are counted by."""

import logging
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Protocol

from starlette.requests import Request

from people.keys.uses import Sender
from people.sign_in.words import Origin, network_of

Networks = tuple[IPv4Network | IPv6Network, ...]
_log = logging.getLogger("credit_ledger.people")


class ProxyOptions(Protocol):
    """The setting of it."""

    @property
    def proxies(self) -> Networks:
        """CREDIT_LEDGER_TRUSTED_PROXIES."""


def origin_of(request: Request) -> Origin:
    """The network of a client, and its User-Agent.

    X-Forwarded-For counts from its end, as long as trusted proxies have written it: what stands before may be made up.
    """
    options: ProxyOptions = request.app.state.options
    address = request.client.host if request.client else ""
    if "x-forwarded-for" in request.headers and not _is_trusted(address, options.proxies):
        _warn_of_proxy()
    told = ",".join(request.headers.getlist("x-forwarded-for"))
    return Origin(network_of(_behind(options.proxies, address, told)), request.headers.get("user-agent"))


def network_behind(proxies: Networks, sender: Sender) -> str:
    """The network of whoever sends a key."""
    address, told = sender
    return network_of(_behind(proxies, address, told.decode("latin-1")))


def _behind(proxies: Networks, address: str, told: str) -> str:
    """The address of a client behind trusted proxies, of which the last one is connected with us."""
    parts = [part.strip() for part in told.split(",")] if told else []
    while parts and _is_trusted(address, proxies):
        address = parts.pop()
    return address


def _is_trusted(address: str, proxies: Networks) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return any(ip.version == network.version and ip in network for network in proxies)


@cache
def _warn_of_proxy() -> None:
    """Say it once in each process: the address of the proxy is not in the log, because anybody can send the header."""
    _log.warning(
        "a request came with X-Forwarded-For from an address that CREDIT_LEDGER_TRUSTED_PROXIES does not name: if that "
        "is your proxy, all people behind it share one count of wrong passwords"
    )
