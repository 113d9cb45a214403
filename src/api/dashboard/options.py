"""What an operator of the service may say about the dashboard: the settings that it shows or goes by."""

from dataclasses import dataclass
from decimal import Decimal

from starlette.requests import Request


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


def options_of(request: Request) -> Options:
    """The options of this process."""
    options: Options = request.app.state.options
    return options
