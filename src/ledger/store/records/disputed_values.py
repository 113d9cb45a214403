"""What open disputes hold in JSON: in snapshots and in the events of disputes."""

from collections.abc import Callable, Iterable
from typing import Any

from ledger.domain.holds import Awaited, Disputed, DisputedCredits
from ledger.domain.lots import Draws
from ledger.store.records.stored_values import number, text


def awaits_to_json(awaits: Iterable[Awaited]) -> list[dict[str, Any]]:
    """Credits of grants that have not started."""
    return [{"amount": amount, "grant_id": grant_id} for grant_id, amount in awaits]


def awaits_from_json(parts: Iterable[dict[str, Any]]) -> tuple[Awaited, ...]:
    """The same, read back. Raises KeyError or TypeError for other values."""
    return tuple([Awaited(text(part["grant_id"]), number(part["amount"])) for part in parts])


def disputed_to_json(disputed: DisputedCredits, draws: Callable[[Draws], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What open disputes hold. `draws` makes JSON of draws."""
    return [
        {
            "amount_minor": one.amount_minor,
            "awaits": awaits_to_json(one.awaits),
            "closed_grants": sorted(one.closed_grants),
            "dispute_id": one.dispute_id,
            "draws": draws(one.draws),
            "hold_id": one.hold_id,
            "payment_id": one.payment_id,
            "provider": one.provider,
        }
        for one in disputed
    ]


def disputed_from_json(
    parts: Iterable[dict[str, Any]], draws: Callable[[list[dict[str, Any]]], Draws]
) -> DisputedCredits:
    """The same, read back. Raises KeyError, TypeError or ValueError for values that are no such credits."""
    return DisputedCredits(
        tuple(
            [
                Disputed(
                    text(part["hold_id"]),
                    text(part["payment_id"]),
                    text(part["provider"]),
                    text(part["dispute_id"]),
                    number(part["amount_minor"]),
                    draws(part["draws"]),
                    awaits_from_json(part["awaits"]),
                    frozenset(map(text, part["closed_grants"])),
                )
                for part in parts
            ]
        )
    )
