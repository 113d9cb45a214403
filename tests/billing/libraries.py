"""What the providers' own libraries make of a delivery, and how they sign one.

The tests import this module when they run: the libraries take more than a second to import, in each process of a run.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import stripe
from dodopayments import DodoPayments
from standardwebhooks import Webhook

from tests.billing.lives import SECRETS

DODO = DodoPayments(bearer_token="none", webhook_key=SECRETS["dodo"])
"""Its client calls nobody here: it only reads what is signed."""


def stripe_event(body: bytes, headers: Mapping[str, str]) -> Any:
    """The event of a delivery of Stripe. Raises ValueError unless it is genuine."""
    try:
        return stripe.Webhook.construct_event(body, headers["stripe-signature"], SECRETS["stripe"])
    except stripe.SignatureVerificationError as error:
        raise ValueError(str(error)) from error


def dodo_event(body: bytes, headers: Mapping[str, str]) -> Any:
    """The event of a delivery of Dodo. Raises an exception unless it is genuine."""
    return DODO.webhooks.unwrap(body.decode(), headers=dict(headers.items()))


def stripe_signature(body: bytes, secret: str, seconds: int) -> str:
    """What Stripe signs a body with."""
    made: str = stripe.WebhookSignature._compute_signature(f"{seconds}.{body.decode()}", secret)
    return made


def standard_signature(secret: str | bytes, at: datetime, body: bytes) -> str:
    """What a provider that follows Standard Webhooks signs a body with."""
    return Webhook(secret).sign("msg_1", at, body.decode())
