"""Decisions that add or cancel credits: opening an account, grants and voids."""

from datetime import datetime

from ledger.domain.account import Account, evolve
from ledger.domain.amounts import MAX_AMOUNT, NO_CREDITS
from ledger.domain.commands import GrantCredits, OpenAccount, VoidGrant
from ledger.domain.errors import BalanceLimitExceeded, GrantNotFound, InvalidField, OpenLotsLimitExceeded
from ledger.domain.events import AccountOpened, CreditsGranted, Events, GrantVoided, Source
from ledger.domain.lots import MAX_OPEN_LOTS, Lot, cancel, put, remaining_of
from ledger.domain.profile import NO_PROFILE, changed_labels
from ledger.domain.related_events import RelatedEvents


def open_account(command: OpenAccount, at: datetime) -> Events:
    """Decide an opening: the first event of the stream and, if there are signup credits, their grant.

    Raises LabelsLimitExceeded.
    """
    labels = changed_labels(NO_PROFILE.labels, command.labels)
    opened = AccountOpened(at, NO_CREDITS, command.account_id, command.metadata, command.description, labels)
    if not command.signup_credits:
        return (opened,)
    signup = GrantCredits(command.account_id, "permanent", command.signup_credits, "signup")
    return opened, grant(signup, evolve(None, opened), at)


def grant(command: GrantCredits, account: Account, at: datetime, *, payment_id: str | None = None) -> CreditsGranted:
    """Decide a grant. Raises InvalidField (the expiry has passed), BalanceLimitExceeded, OpenLotsLimitExceeded."""
    expires_at = _expiry(command, at)
    check_room(account, command.amount)

    lot = Lot(account.next_id("grt"), command.kind, command.amount, expires_at)
    new = {command.kind: command.amount}
    return CreditsGranted(
        at,
        account.balance_after(put(account.lots, lot), **new),
        lot.grant_id,
        command.kind,
        command.amount,
        command.source or _usual_source(command, payment_id),
        expires_at,
        command.transaction_id,
        payment_id,
        command.description,
        command.metadata,
    )


def check_room(account: Account, amount: int, lots: int = 1) -> None:
    """Raise BalanceLimitExceeded or OpenLotsLimitExceeded unless so many credits fit in, in so many new lots."""
    if account.balance.total + amount > MAX_AMOUNT:
        raise BalanceLimitExceeded(account.balance.total, amount, MAX_AMOUNT)
    if _has_too_many_lots(account, MAX_OPEN_LOTS - lots):
        raise OpenLotsLimitExceeded(MAX_OPEN_LOTS)


def _has_too_many_lots(account: Account, most: int) -> bool:
    """Count the lots that are wholly held too, because they may come back."""
    if len(account.lots) + account.holds.grants <= most:
        return False
    return len(account.holds.drawn_grants().union(lot.grant_id for lot in account.lots)) > most


def _expiry(command: GrantCredits, at: datetime) -> datetime | None:
    if command.kind == "permanent":
        return None
    if command.expires_at is None:
        return at + command.lifetime if command.lifetime is not None else None
    if command.expires_at <= at:
        raise InvalidField("expires_at", "must be in the future", command.expires_at.isoformat())
    return command.expires_at


def _usual_source(command: GrantCredits, payment_id: str | None) -> Source:
    if command.kind == "subscription":
        return "subscription"
    return "adjustment" if payment_id is None else "topup"


def void(command: VoidGrant, account: Account, at: datetime, related: RelatedEvents) -> GrantVoided:
    """Decide a void of `command.amount`, or of all that remains, which closes the grant. Raises GrantNotFound."""
    granted = related.grant(command.grant_id)
    if granted is None:
        raise GrantNotFound(command.grant_id)
    closing = command.amount is None
    asked = remaining_of(account.lots, granted) if command.amount is None else command.amount
    return claw_back(command.grant_id, asked, command.reason, account, at, related, closing=closing)


def claw_back(
    grant_id: str,
    asked: int,
    reason: str | None,
    account: Account,
    at: datetime,
    related: RelatedEvents,
    *,
    closing: bool,
) -> GrantVoided:
    """Cancel up to `asked` credits of what remains of a grant. The rest is uncollected: no other lot pays for it.

    `closing` cancels all that remains and closes the grant. Raises GrantNotFound.
    """
    granted = related.grant(grant_id)
    if granted is None:
        raise GrantNotFound(grant_id)
    remaining = remaining_of(account.lots, granted)
    amount = remaining if closing else min(asked, remaining)
    lost = {granted.kind: -amount}
    return GrantVoided(
        at,
        account.balance_after(cancel(account.lots, grant_id, amount), **lost),
        grant_id,
        granted.kind,
        amount,
        max(asked - amount, 0),
        closing,
        reason,
    )
