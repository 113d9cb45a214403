"""Coming grants in the JSON of snapshots."""

from collections.abc import Iterable
from typing import Any

from ledger.domain.coming import ComingGrant, ComingGrants, in_order
from ledger.domain.events import Source
from ledger.store.records.stored_values import kind, number, reader_of, text, time

_source = reader_of(Source)


def coming_to_json(coming: ComingGrants) -> list[dict[str, Any]]:
    """The coming grants, each without the fields that have no value."""
    return [{name: value for name, value in sorted(grant._asdict().items()) if value is not None} for grant in coming]


def coming_from_json(grants: Iterable[dict[str, Any]]) -> ComingGrants:
    """The coming grants of a snapshot. Raises KeyError, TypeError or ValueError for values that are no such grants."""
    return in_order(map(_grant, grants))


def _grant(data: dict[str, Any]) -> ComingGrant:
    expires_at = data.get("expires_at")
    return ComingGrant(
        text(data["grant_id"]),
        kind(data["kind"]),
        number(data["amount"]),
        _source(data["source"]),
        time(data["effective_at"]),
        None if expires_at is None else time(expires_at),
        data.get("transaction_id"),
        data.get("payment_id"),
    )
