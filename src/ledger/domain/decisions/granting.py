"""Decisions that add or cancel credits: opening an account, grants and voids."""

from datetime import datetime

from ledger.domain.account import Account, evolve
from ledger.domain.amounts import MAX_AMOUNT, NO_CREDITS, Balance
from ledger.domain.coming import MAX_COMING_GRANTS, find, total_coming
from ledger.domain.commands import LONGEST_LIFETIME, GrantCredits, OpenAccount, VoidGrant
from ledger.domain.errors import (
    BalanceLimitExceeded,
    ComingGrantsLimitExceeded,
    GrantNotFound,
    InvalidField,
    OpenLotsLimitExceeded,
)
from ledger.domain.events import AccountOpened, CreditsGranted, Events, Granted, GrantVoided, Source
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
    """Decide a grant: of credits that are spendable at once, or of a coming grant.

    Coming grants count towards the limits, so that no start is ever refused. Raises InvalidField (its time has passed),
    BalanceLimitExceeded, ComingGrantsLimitExceeded and OpenLotsLimitExceeded.
    """
    start = _start(command, at)
    expires_at = _expiry(command, start)
    if command.effective_at is not None and len(account.coming) >= MAX_COMING_GRANTS:
        raise ComingGrantsLimitExceeded(MAX_COMING_GRANTS)
    check_room(account, command.amount)

    grant_id = account.next_id("grt")
    return CreditsGranted(
        at,
        account.balance if command.effective_at is not None else _balance_with(account, grant_id, command, expires_at),
        grant_id,
        command.kind,
        command.amount,
        command.source or _usual_source(command, payment_id),
        expires_at,
        command.transaction_id,
        payment_id,
        command.description,
        command.metadata,
        command.effective_at,
    )


def check_room(account: Account, amount: int, lots: int = 1) -> None:
    """Raise BalanceLimitExceeded or OpenLotsLimitExceeded unless so many credits fit in, in so many new lots."""
    check_balance(account, amount)
    if _has_too_many_lots(account, MAX_OPEN_LOTS - len(account.coming) - lots):
        raise OpenLotsLimitExceeded(MAX_OPEN_LOTS)


def check_balance(account: Account, amount: int) -> None:
    """Raise BalanceLimitExceeded unless the balance and all that is coming may grow by `amount` credits."""
    total, coming = account.balance.total, total_coming(account.coming)
    if total + coming + amount > MAX_AMOUNT:
        raise BalanceLimitExceeded(total, amount, MAX_AMOUNT, coming)


def _balance_with(account: Account, grant_id: str, command: GrantCredits, expires_at: datetime | None) -> Balance:
    new = {command.kind: command.amount}
    return account.balance_after(put(account.lots, Lot(grant_id, command.kind, command.amount, expires_at)), **new)


def _has_too_many_lots(account: Account, most: int) -> bool:
    """Count the lots that are wholly held too, because they may come back."""
    disputed = account.disputed.drawn_grants()
    if len(account.lots) + account.holds.grants + len(disputed) <= most:
        return False
    return len(account.holds.drawn_grants().union(disputed, [lot.grant_id for lot in account.lots])) > most


def _start(command: GrantCredits, at: datetime) -> datetime:
    start = command.effective_at
    if start is None:
        return at
    if start <= at:
        rule = "must be in the future; leave it out for credits that start now"
        raise InvalidField("effective_at", rule, start.isoformat())
    if start > at + LONGEST_LIFETIME:
        raise InvalidField(
            "effective_at", f"must be at most {LONGEST_LIFETIME.days} days in the future", start.isoformat()
        )
    return start


def _expiry(command: GrantCredits, start: datetime) -> datetime | None:
    """When the credits of a grant that starts then lapse."""
    if command.kind == "permanent":
        return None
    if command.expires_at is None:
        return start + command.lifetime if command.lifetime is not None else None
    if command.expires_at <= start:
        rule = "must be in the future" if command.effective_at is None else "must be after effective_at"
        raise InvalidField("expires_at", rule, command.expires_at.isoformat())
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
    asked = _remaining_of(account, granted) if command.amount is None else command.amount
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
    remaining = _remaining_of(account, granted)
    amount = remaining if closing else min(asked, remaining)
    coming = find(account.coming, grant_id) is not None
    lost = {granted.kind: -amount}
    return GrantVoided(
        at,
        account.balance if coming else account.balance_after(cancel(account.lots, grant_id, amount), **lost),
        grant_id,
        granted.kind,
        amount,
        max(asked - amount, 0),
        closing,
        reason,
        coming or None,
    )


def _remaining_of(account: Account, granted: Granted) -> int:
    """What remains of a grant, coming or started."""
    coming = find(account.coming, granted.grant_id)
    return remaining_of(account.lots, granted) if coming is None else coming.amount
