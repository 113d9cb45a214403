"""The bodies of checkouts, and of what operators decide about webhooks."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from api.contract.bodies import AccountIdText, Body, Text, Time, UsageBody
from billing.checkouts.checkout import MOST, Wish
from billing.errors import Kind
from billing.plans import EntryId
from billing.prices.document import BookDocument

_HTTPS = r"https://[^\s/?#\x00-\x20\x7f]+"
_LOOPBACK = r"http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?"
ReturnUrl = Annotated[
    str,
    StringConstraints(max_length=2_000, pattern=rf"^({_HTTPS}|{_LOOPBACK})([/?#][^\s\x00-\x20\x7f]*)?$"),
    Field(description="https, or http on this machine"),
]


class CheckoutBody(Body):
    """What an account shall buy: a plan or a package, in its newest version."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in ("plan", "package")]
        }
    )

    account_id: AccountIdText
    plan: EntryId | None = None
    package: EntryId | None = None
    price: EntryId | None = Field(None, description="the name of a price; default: the only one")
    quantity: int = Field(1, ge=1, le=MOST, description="how many of it")
    return_url: ReturnUrl = Field(description="where the buyer goes after the payment")
    cancel_url: ReturnUrl | None = Field(None, description="where the buyer goes without one; default: `return_url`")

    @model_validator(mode="after")
    def _is_one_thing(self) -> "CheckoutBody":
        if (self.plan is None) == (self.package is None):
            raise ValueError("must have `plan` or `package`, and not both")
        return self

    @property
    def wish(self) -> Wish:
        """What is wished for."""
        found: tuple[Kind, str] = ("plan", self.plan) if self.plan is not None else ("package", self.package or "")
        return Wish(self.account_id, *found, self.price, self.quantity, self.return_url, self.cancel_url)


class PriceBookBody(BookDocument):
    """A new version of the price book: all of its rates, and from when on they are in force."""

    effective_at: Time | None = Field(None, description="default: at once; never in the past")

    @property
    def document(self) -> BookDocument:
        """Its rates."""
        return BookDocument(rates=self.rates)


class EstimateBody(Body):
    """Usage that is not yet known, or not yet done, and the account that would pay for it."""

    account_id: AccountIdText | None = Field(None, description="whether this account could pay it now")
    usage: UsageBody
    at: Time | None = Field(None, description="the moment whose prices are asked for; default: now")


class MatchBody(Body):
    """The account that the payments and subscriptions of a webhook belong to."""

    account_id: AccountIdText


class DismissBody(Body):
    """Why a webhook is given up."""

    reason: Text | None = None
