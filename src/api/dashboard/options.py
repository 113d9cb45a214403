"""The settings of the dashboard."""

from dataclasses import dataclass
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Options:
    """Each field is a setting: api.runtime.settings describes them."""

    public_url: str | None = None
    links_need_public_url: bool = False
    """Whether portal links are refused because the service listens beyond this machine, and has no public address."""
    billing_url: str | None = None
    low_credits: int = 50
    credit_price: Decimal | None = None
    currency: str = "USD"
    manual: Literal["off", "transfer", "test"] = "transfer"
    seller: str | None = None
    bank_details: str | None = None
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """The networks of the proxies before the service."""

    def value_of(self, credits: int) -> Decimal | None:
        """The value of credits, exactly; None if no price is set."""
        return None if self.credit_price is None else credits * self.credit_price


def options_of(request: Request) -> Options:
    """The options of this process."""
    options: Options = request.app.state.options
    return options
