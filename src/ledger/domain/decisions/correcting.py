"""Decisions that correct what was said of a grant: when its credits lapse."""

from datetime import datetime

from ledger.domain.account import Account
from ledger.domain.coming import ComingGrant, find
from ledger.domain.commands import ChangeGrantExpiry
from ledger.domain.decisions.granting import check_room
from ledger.domain.errors import GrantClosed, GrantHasExpired, GrantNotFound, InvalidField
from ledger.domain.events import Granted, GrantExpiryChanged
from ledger.domain.lots import Lot, remaining_of, with_expiry
from ledger.domain.related_events import RelatedEvents


def change_expiry(
    command: ChangeGrantExpiry, account: Account, at: datetime, related: RelatedEvents
) -> GrantExpiryChanged:
    """Decide another expiry of a grant's lot, or of a coming grant. What is held or comes back later follows it.

    Raises GrantNotFound, GrantClosed, GrantHasExpired (unless it reinstates), InvalidField (the expiry has passed, is
    before the start, or does not suit the kind), BalanceLimitExceeded and OpenLotsLimitExceeded.
    """
    granted = related.grant(command.grant_id)
    if granted is None:
        raise GrantNotFound(command.grant_id)
    coming = find(account.coming, command.grant_id)
    if command.grant_id in related.closed_grants():
        raise GrantClosed(command.grant_id)
    before = granted.expires_at
    if before is not None and before <= at and not command.reinstate:
        raise GrantHasExpired(command.grant_id, before)
    _check_expiry(command, granted, at, coming)
    reinstated = related.lapsed(command.grant_id) if command.reinstate else 0
    if reinstated:
        check_room(account, reinstated, 0 if remaining_of(account.lots, granted) else 1)

    lot = Lot(granted.grant_id, granted.kind, 0, command.expires_at)
    return GrantExpiryChanged(
        at,
        account.balance_after(with_expiry(account.lots, lot, before, reinstated), subscription=reinstated),
        granted.grant_id,
        granted.kind,
        reinstated,
        command.expires_at,
        before,
        command.reason,
    )


def _check_expiry(command: ChangeGrantExpiry, granted: Granted, at: datetime, coming: ComingGrant | None) -> None:
    if granted.kind == "permanent":
        if command.expires_at is not None:
            raise InvalidField("expires_at", "must be null: permanent credits never expire")
    elif command.expires_at is None:
        raise InvalidField("expires_at", "must be a moment: subscription credits expire")
    elif command.expires_at <= at:
        raise InvalidField("expires_at", "must be in the future", command.expires_at.isoformat())
    elif coming is not None and command.expires_at <= coming.effective_at:
        rule = f"must be after the grant starts, {coming.effective_at.isoformat()}"
        raise InvalidField("expires_at", rule, command.expires_at.isoformat())
