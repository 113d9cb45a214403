"""What is wrong with an event that makes a lot: a grant, or credits that were received."""

from collections.abc import Iterator

from ledger.domain.events import CreditsGranted, Granted


def wrong_lot(event: Granted) -> Iterator[str]:
    """Violations of an event that makes a lot."""
    if event.amount < 1:
        yield f"{event.amount:,} is not a valid amount"
    if event.expires_at is not None and event.kind == "permanent":
        yield "permanent credits do not lapse, but these have an expiry"
    late = isinstance(event, CreditsGranted) and event.allowance is not None  # time granted it, and took it, before
    if event.expires_at is not None and event.expires_at <= event.recorded_at and not late:
        yield "the expiry had passed when the event was recorded"
