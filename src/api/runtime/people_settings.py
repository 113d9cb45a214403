"""The settings of people who sign in here."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

Registration = Literal["open", "invited", "off"]


class PeopleSettings(BaseSettings):
    """A part of the settings (settings.py)."""

    registration: Registration | None = Field(
        None,
        description="who may have a password here: `open`, everybody with a mailbox; `invited`, those who have one "
        "already; `off`, nobody: people come from the product. Default: `open` with the embedded database and a host "
        "of this machine alone, else `off`",
    )
    trusted_proxies: str | None = Field(
        None,
        max_length=2_000,
        validate_default=True,
        description="networks of the proxies before the service, divided by commas, such as 10.0.0.0/8: what they say "
        "in X-Forwarded-For about who sent a request counts when wrong passwords are counted",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str | None) -> str | None:
        _networks(value)
        return value

    @property
    def proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of the proxies."""
        return _networks(self.trusted_proxies)


def _networks(value: str | None) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(part.strip()) for part in (value or "").split(",") if part.strip())
