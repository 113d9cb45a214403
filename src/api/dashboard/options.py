"""What an operator of the service may say about the dashboard: the settings that it shows or goes by."""

from dataclasses import dataclass
from decimal import Decimal

from api.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Options:
    """See settings.py for what each of them means."""

    public_url: str | None = None
    billing_url: str | None = None
    low_credits: int = 50
    credit_price: Decimal | None = None
    currency: str = "USD"

    def value_of(self, credits: int) -> Decimal | None:
        """What credits are worth, exactly; None without a price."""
        return None if self.credit_price is None else credits * self.credit_price


def options_of(settings: Settings) -> Options:
    """Those of some settings."""
    return Options(
        settings.public_url and settings.public_url.rstrip("/"),
        settings.billing_url,
        settings.low_credits,
        settings.credit_price,
        settings.currency,
    )
