"""A checkout: what is bought for which account, what it costs, and where it is paid."""

import re
import secrets
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Literal, NamedTuple

import orjson

from billing.errors import Kind

State = Literal["unknown", "open", "paid", "cancelled", "expired"]
"""`unknown`: the provider was asked for a page, and its answer is not known."""
Purpose = Literal["purchase", "renewal", "change"]
MANUAL = "manual"
"""The name of our own provider."""
MOST = 10_000
"""The largest quantity."""

_PRODUCT = re.compile(r"(plan|package):([^:]+):([0-9]{1,9}):([^:]*)")
_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Those that nobody takes for another: no 0 and O, no 1, I and L, no U beside V."""


class Wish(NamedTuple):
    """What somebody wants to buy. `price` None: the only one that there is."""

    account_id: str
    kind: Kind
    entry_id: str
    price: str | None
    quantity: int
    return_url: str | None
    cancel_url: str | None = None

    @property
    def digest(self) -> bytes:
        """The SHA-256 by which the same wish is known."""
        return sha256(orjson.dumps(tuple(self))).digest()


class Bought(NamedTuple):
    """A version of a plan or a package, how many of it, and the name of its price; None: a plan without a price."""

    kind: Kind
    entry_id: str
    version: int
    price: str | None
    quantity: int

    @property
    def product(self) -> str:
        """The id of the product at our own provider, such as `plan:pro:3:monthly`. It means the same for ever."""
        return f"{self.kind}:{self.entry_id}:{self.version}:{self.price or ''}"


def bought_as(product: str, quantity: int) -> Bought:
    """What a product of our own provider is. Raises ValueError for what is none."""
    found = _PRODUCT.fullmatch(product)
    if found is None:
        raise ValueError(f"{product!r} is no product of ours")
    kind: Kind = "plan" if found[1] == "plan" else "package"
    return Bought(kind, found[2], int(found[3]), found[4] or None, quantity)


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout. `amount_minor` is for all of the quantity, in minor units of `currency` (None: it costs nothing).

    A `url` that begins with a slash is a page of ours. `reference` is what stands on a bank transfer. A request for the
    payment of a renewal or a change names the subscription, and the period that is paid for. One with `trial_days`
    begins a trial. `live`: its price counts nothing that was played in the test mode.
    """

    checkout_id: str
    account_id: str
    wish: bytes
    purpose: Purpose
    kind: Kind
    entry_id: str
    version: int
    price: str | None
    quantity: int
    provider: str
    provider_id: str | None
    url: str | None
    amount_minor: int
    currency: str | None
    return_url: str | None
    cancel_url: str | None
    reference: str | None
    subscription_id: str | None
    period_start: datetime | None
    period_end: datetime | None
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    paid_at: datetime | None
    paid_on: date | None
    paid_minor: int | None
    paid_by: str | None
    trial_days: int | None
    live: bool
    state: State

    @property
    def bought(self) -> Bought:
        """What is bought."""
        return Bought(self.kind, self.entry_id, self.version, self.price, self.quantity)


def new_checkout_id() -> str:
    """An id that nobody guesses: 128 random bits."""
    return f"chk_{secrets.token_hex(16)}"


def new_reference() -> str:
    """A reference for a bank transfer, such as `CL-7K3P-9QXD`."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
    return f"CL-{letters[:4]}-{letters[4:]}"


def read_reference(text: str) -> str:
    """A reference as somebody typed it, in the form in which it was made."""
    letters = "".join(letter for letter in text.upper() if letter.isalnum()).removeprefix("CL")
    return f"CL-{letters[:4]}-{letters[4:]}"
