"""Where a request of a person comes from: the network that its wrong passwords are counted by."""

from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Protocol

from starlette.requests import Request

from people.sign_in.words import Origin, network_of

Networks = tuple[IPv4Network | IPv6Network, ...]


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
    told = [part.strip() for line in request.headers.getlist("x-forwarded-for") for part in line.split(",")]
    while told and _is_trusted(address, options.proxies):
        address = told.pop()
    return Origin(network_of(address), request.headers.get("user-agent"))


def _is_trusted(address: str, proxies: Networks) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return any(ip.version == network.version and ip in network for network in proxies)
