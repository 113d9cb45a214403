"""What the company sells: plans that renew every 30 days, top-ups that never lapse, models that cost credits."""

from datetime import timedelta
from typing import NamedTuple

PERIOD = timedelta(days=30)


class Plan(NamedTuple):
    """Credits for a period."""

    name: str
    credits: int
    price_minor: int


class TopUp(NamedTuple):
    """Credits for good."""

    credits: int
    price_minor: int


class Model(NamedTuple):
    """Credits for a thousand tokens in and out, or for one of what its metric counts."""

    provider: str
    name: str
    input_price: float
    output_price: float
    metric: str | None = None


STARTER = Plan("starter", 2_000, 19_00)
TEAM = Plan("team", 12_000, 99_00)
SCALE = Plan("scale", 80_000, 490_00)

SMALL = TopUp(500, 6_00)
MIDDLE = TopUp(5_000, 50_00)
LARGE = TopUp(25_000, 220_00)

WRITERS = (
    Model("openai", "gpt-5", 3, 20),
    Model("openai", "gpt-5-mini", 0.6, 4),
    Model("anthropic", "claude-sonnet-4-5", 4.5, 25),
    Model("anthropic", "claude-haiku-4-5", 1.5, 8),
    Model("google", "gemini-2.5-pro", 3, 18),
    Model("google", "gemini-2.5-flash", 0.6, 4.5),
    Model("mistral", "mistral-large", 3.5, 11),
    Model("mistral", "mistral-small", 0.4, 1.2),
    Model("local", "llama-3.3-70b", 0.2, 0.4),
)
PAINTERS = (Model("openai", "gpt-image-1", 0, 14, "images"), Model("google", "imagen-4", 0, 11, "images"))
LISTENERS = (
    Model("openai", "gpt-4o-transcribe", 0, 0.6, "audio_minutes"),
    Model("local", "whisper-large-v3", 0, 0.1, "audio_minutes"),
)
