"""The settings of payment providers: the secrets of their webhooks, how they are called, and whether money is real."""

import re
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, ValidationInfo, field_validator

from billing.calls.access import Access
from billing.calls.known_calls import CALLED, INVOICED
from billing.known_providers import PROVIDERS

Mode = Literal["live", "test"]
ManualMode = Literal["off", "transfer", "test"]
_END = "_webhook_secret"
_API = r"^(https://[^\s/?#@]+|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?)(/[A-Za-z0-9._~/-]*)?$"
"""An address that gets an API key: only on this machine without TLS."""
_CALLED = (
    "; with it, the service makes checkouts and changes subscriptions there, and reads every day what its webhooks did "
    "not say"
)
_INVOICED = "; with it, the service finds the invoices of payments there, and asks for nothing else"
_INSTEAD = "another address of the API of {}, for trials: https://..., or http:// on this machine"


class BillingSettings(BaseModel, defer_build=True):
    """A part of the settings (settings.py)."""

    dodo_webhook_secret: SecretStr | None = Field(
        None,
        description="the secret of the webhook at Dodo Payments, whsec_...; several, divided by commas, while one is "
        "replaced",
    )
    dodo_mode: Mode = Field("live", description="whether Dodo Payments takes real money or plays: the other is ignored")
    dodo_api_key: SecretStr | None = Field(None, description="an API key of Dodo Payments of that mode" + _CALLED)
    dodo_api_url: str | None = Field(None, pattern=_API, max_length=2_000, description=_INSTEAD.format("Dodo Payments"))
    lemonsqueezy_webhook_secret: SecretStr | None = Field(
        None,
        description="the signing secret of the webhook at Lemon Squeezy; several, divided by commas, while one is "
        "replaced",
    )
    lemonsqueezy_mode: Mode = Field(
        "live", description="whether Lemon Squeezy takes real money or plays: the other is ignored"
    )
    lemonsqueezy_api_key: SecretStr | None = Field(
        None, description="an API key of Lemon Squeezy of that mode" + _CALLED
    )
    lemonsqueezy_api_url: str | None = Field(
        None, pattern=_API, max_length=2_000, description=_INSTEAD.format("Lemon Squeezy")
    )
    lemonsqueezy_store: str | None = Field(
        None,
        pattern=r"^[0-9]{1,20}$",
        validate_default=True,
        description="the number of the store at Lemon Squeezy, which an API key needs",
    )
    paddle_webhook_secret: SecretStr | None = Field(
        None,
        description="the secret of the notification destination at Paddle, pdl_ntfset_...; several, divided by commas, "
        "while one is replaced",
    )
    paddle_api_key: SecretStr | None = Field(
        None, description="an API key of Paddle with the permission transaction.read" + _INVOICED
    )
    paddle_api_url: str | None = Field(None, pattern=_API, max_length=2_000, description=_INSTEAD.format("Paddle"))
    polar_webhook_secret: SecretStr | None = Field(
        None, description="the secret of the webhook at Polar; several, divided by commas, while one is replaced"
    )
    polar_api_key: SecretStr | None = Field(
        None, description="an organization access token of Polar with the scope orders:read" + _INVOICED
    )
    polar_api_url: str | None = Field(
        None,
        pattern=_API,
        max_length=2_000,
        description="another address of the API of Polar, such as that of its sandbox: https://..., or http:// on this "
        "machine",
    )
    stripe_webhook_secret: SecretStr | None = Field(
        None,
        description="the secret of the webhook at Stripe, whsec_...; several, divided by commas, while one is replaced",
    )
    stripe_mode: Mode = Field("live", description="whether Stripe takes real money or plays: the other is ignored")
    stripe_api_key: SecretStr | None = Field(
        None,
        description="a secret key of Stripe of that mode, sk_... or rk_..." + _CALLED,
    )
    stripe_api_url: str | None = Field(None, pattern=_API, max_length=2_000, description=_INSTEAD.format("Stripe"))
    checkout_provider: Literal["dodo", "lemonsqueezy", "stripe", "manual"] | None = Field(
        None,
        description="the provider at which checkouts are paid; default: the one that has an API key, or else `manual`, "
        "bank transfers, which also takes what the provider has no product for",
    )
    manual: ManualMode = Field(
        "transfer",
        description="our own provider: `transfer`, bank transfers that operators confirm; `test`, a page with buttons "
        "that play a payment; `off`",
    )
    open_on_payment: bool = Field(
        False,
        description="whether a payment for an account that does not exist opens it, with the credits of a new account; "
        "else the payment waits for the account",
    )
    webhook_days: int = Field(
        90, ge=1, le=3_650, description="days after which what providers sent is dropped; what came of it stays"
    )

    @field_validator(*(f"{name}_api_key" for name in (*CALLED, *INVOICED)))
    @classmethod
    def _is_api_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[!-~]{1,1000}", value.get_secret_value()):
            raise ValueError
        return value

    @field_validator("lemonsqueezy_store")
    @classmethod
    def _is_told_with_the_key(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("lemonsqueezy_api_key") is not None:
            raise ValueError
        return value

    @field_validator(*(name + _END for name in PROVIDERS))
    @classmethod
    def _are_secrets(cls, value: SecretStr | None, field: ValidationInfo) -> SecretStr | None:
        """Let the provider look at its secrets, so that a wrong one stops the start and not the first webhook."""
        if value is not None:
            assert field.field_name is not None
            secrets = _divided(value)
            if not secrets:
                raise ValueError
            PROVIDERS[field.field_name.removesuffix(_END)](secrets)
        return value

    @property
    def webhook_secrets(self) -> dict[str, tuple[str, ...]]:
        """The secrets of each provider that has one."""
        found = {name: getattr(self, name + _END) for name in PROVIDERS}
        return {name: _divided(value) for name, value in found.items() if value is not None}

    @property
    def accesses(self) -> dict[str, Access]:
        """How each provider is called that has an API key."""
        keys = {name: getattr(self, f"{name}_api_key") for name in CALLED}
        return {
            name: Access(
                key.get_secret_value(),
                getattr(self, f"{name}_api_url"),
                self.modes[name] == "test",
                getattr(self, f"{name}_store", None),
            )
            for name, key in keys.items()
            if key is not None
        }

    @property
    def invoice_accesses(self) -> dict[str, Access]:
        """How each provider is called that has an API key and is asked about invoices alone."""
        keys = {name: getattr(self, f"{name}_api_key") for name in INVOICED}
        return {
            name: Access(key.get_secret_value(), getattr(self, f"{name}_api_url"))
            for name, key in keys.items()
            if key is not None
        }

    @property
    def modes(self) -> dict[str, Mode]:
        """The mode of each provider. One without a setting has a secret for each mode, and its deliveries tell none."""
        return {name: getattr(self, f"{name}_mode", "live") for name in PROVIDERS}


def _divided(value: SecretStr) -> tuple[str, ...]:
    return tuple(part for one in value.get_secret_value().split(",") if (part := one.strip()))
