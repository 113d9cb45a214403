"""The settings of people who sign in: here, and at the provider of their product."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, ValidationInfo, field_validator

from people.secret_format import BRAND

Registration = Literal["open", "invited", "off"]
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
_ISSUER = r"^(https://[^\s/?#]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?)(/[^\s?#]*)?$"
_CLAIM_IS = r"^[!-~]{1,200}:[^:\s][^:]{0,199}$"
_WEB = r"^https?://[^\s/?#]+(/[^\s?#]*)?$"


class ProviderSettings(BaseModel, defer_build=True):
    """The provider at which people of the product sign in (OpenID Connect)."""

    oidc_client_id: str | None = Field(
        None, pattern="^[!-~]+$", max_length=500, description="the id of this service at the provider"
    )
    oidc_issuer: str | None = Field(
        None,
        pattern=_ISSUER,
        max_length=2_000,
        validate_default=True,
        description="the provider at which people of the product sign in (OpenID Connect), such as "
        "https://login.example.com, exactly as it names itself; it needs the id of a client there",
    )
    oidc_client_secret: SecretStr | None = Field(
        None, description="the secret of that client; without it, the client is a public one"
    )
    oidc_scope: str = Field(
        "openid email profile",
        pattern=r"^([!-~]+ )*openid( [!-~]+)*$",
        max_length=1_000,
        description="what is asked of the provider, divided by spaces; some need `groups` for operators",
    )
    oidc_account_claim: str = Field(
        "sub", pattern="^[!-~]+$", max_length=200, description="the claim that is the id of a person's account"
    )
    oidc_link_by_email: bool = Field(
        False,
        description="whether somebody with the verified address of a user here may be joined with that user, over a "
        "mailed link",
    )
    oidc_operator: str | None = Field(
        None,
        pattern=_CLAIM_IS,
        description="who is an operator that reads: a claim and its value, such as groups:ledger-operators",
    )
    oidc_admin: str | None = Field(
        None, pattern=_CLAIM_IS, description="who is an operator that acts too, with the scope `admin`"
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _knows_this_service(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("oidc_client_id") is None:
            raise ValueError
        return value


class PeopleSettings(ProviderSettings):
    """A part of the settings (settings.py)."""

    registration: Registration | None = Field(
        None,
        description="who may register here: `open`, everybody with a mailbox; `invited`, who has an invitation into a "
        "team; `off`, nobody, and nobody has a password: people come from the product. Default: `open` with the "
        "embedded database and a host of this machine alone, else `off`",
    )
    key_brand: str = Field(
        "clu",
        max_length=20,
        pattern=BRAND,
        description="how the API keys of people begin: `luna_sk` makes `luna_sk_...`; those of services begin with "
        "`clk_`",
    )
    trusted_proxies: str | None = Field(
        None,
        max_length=2_000,
        validate_default=True,
        description="networks of the proxies before the service, divided by commas, such as 10.0.0.0/8: what they say "
        "in X-Forwarded-For about who sent a request counts when wrong passwords are counted",
    )

    people_url: str | None = Field(
        None,
        pattern=_WEB,
        max_length=2_000,
        description="the address below which a front end of the product has the pages that mailed links open, such as "
        "https://app.example.com/account; without it, they are our own pages",
    )
    allowed_origins: str | None = Field(
        None,
        max_length=2_000,
        validate_default=True,
        description="the origins whose pages may ask `/api` from a browser, divided by commas, such as "
        "https://app.example.com",
    )

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, value: str | None) -> str | None:
        if not all(_ORIGIN.fullmatch(origin) for origin in _parts(value)):
            raise ValueError
        return value

    @property
    def origins(self) -> frozenset[str]:
        """The origins that may ask /api, as browsers write them."""
        return frozenset(origin.lower() for origin in _parts(self.allowed_origins))

    seats: int = Field(
        5, ge=1, le=1_000, description="how many people a team may have, with those who are invited: see docs/teams.md"
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
    return tuple(map(ip_network, _parts(value)))


def _parts(value: str | None) -> list[str]:
    return [part.strip() for part in (value or "").split(",") if part.strip()]
