"""The payment providers that this program knows, by name."""

from collections.abc import Callable, Mapping, Sequence

from billing.providers.dodo import Dodo
from billing.providers.lemonsqueezy import LemonSqueezy
from billing.providers.paddle import Paddle
from billing.providers.polar import Polar
from billing.providers.provider import Provider
from billing.providers.stripe import Stripe

PROVIDERS: Mapping[str, Callable[[Sequence[str]], Provider]] = {
    "dodo": Dodo,
    "lemonsqueezy": LemonSqueezy,
    "paddle": Paddle,
    "polar": Polar,
    "stripe": Stripe,
}
"""Each makes a provider of the secrets of its webhooks, and raises ValueError for one that is none. Without a secret no
delivery is genuine; the facts of one that was verified before can still be read."""
