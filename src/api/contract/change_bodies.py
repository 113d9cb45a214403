"""The bodies of wishes about a subscription: upgrade, downgrade, cancel, reactivate, and the provider's page."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.contract.bodies import Body, Id, Text, WebAddress
from billing.calls.calls import When
from billing.plans import ENTRY_ID
from ledger.domain.commands import MAX_ID
from ledger.domain.commands.subscriptions import MAX_QUANTITY

_EntryId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=ENTRY_ID)]
_Price = Annotated[_EntryId | None, Field(description="default: the price that is paid as often as now")]
_Quantity = Annotated[int | None, Field(ge=1, le=MAX_QUANTITY, description="default: as many as now")]
_Subscription = Annotated[Id | None, Field(description="default: the active one that counts")]


class UpgradeBody(Body):
    """Put a subscription on a better plan at once. Its credits come when the provider says that it is paid."""

    plan: _EntryId
    price: _Price = None
    quantity: _Quantity = None
    return_url: WebAddress | None = Field(None, description="where a page to pay on leads back to")


class DowngradeBody(Body):
    """Put a subscription on a plan that gives no more, at the end of its period."""

    plan: _EntryId
    price: _Price = None
    quantity: _Quantity = None


class CancelBody(Body):
    """End a subscription."""

    when: When = Field("period_end", description="at the end of the period, or now")
    reason: Text | None = None
    subscription_id: _Subscription = None


class ReactivateBody(Body):
    """Take back that a subscription ends, or changes, at the end of its period."""

    subscription_id: _Subscription = None


class PortalBody(Body):
    """A link to the provider's page, where a customer sees invoices and changes how they pay."""

    return_url: WebAddress = Field(description="where the page leads back to")
    subscription_id: _Subscription = None
