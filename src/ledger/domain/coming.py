"""Coming grants: credits that were granted and start later. They are no part of the balance; nothing draws from them.

An account keeps its coming grants in the order in which they start: the earliest first, then the oldest grant.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from ledger.domain.amounts import Kind
from ledger.domain.events import CreditsGranted, Source

MAX_COMING_GRANTS = 366
"""The largest number of coming grants of an account: one for each day of a year. All of them may start at once."""


class ComingGrant(NamedTuple):
    """What is left of a grant that starts at `effective_at`, in credits."""

    grant_id: str
    kind: Kind
    amount: int
    source: Source
    effective_at: datetime
    expires_at: datetime | None
    transaction_id: str | None
    payment_id: str | None


ComingGrants = tuple[ComingGrant, ...]


def with_grant(coming: ComingGrants, granted: CreditsGranted) -> ComingGrants:
    """The coming grants with one more, which has an `effective_at`."""
    assert granted.effective_at is not None
    new = ComingGrant(
        granted.grant_id,
        granted.kind,
        granted.amount,
        granted.source,
        granted.effective_at,
        granted.expires_at,
        granted.transaction_id,
        granted.payment_id,
    )
    return in_order((*coming, new))


def in_order(coming: Iterable[ComingGrant]) -> ComingGrants:
    """Some coming grants in the order in which they start."""
    return tuple(sorted(coming, key=lambda grant: (grant.effective_at, int(grant.grant_id[4:]))))


def find(coming: ComingGrants, grant_id: str) -> ComingGrant | None:
    """The coming grant with this id; None when there is none."""
    return next((grant for grant in coming if grant.grant_id == grant_id), None)


def without_grant(coming: ComingGrants, grant_id: str) -> ComingGrants:
    """The coming grants without the one with this id."""
    return tuple(grant for grant in coming if grant.grant_id != grant_id)


def lessened(coming: ComingGrants, grant_id: str, amount: int, *, closed: bool) -> ComingGrants:
    """The coming grants after `amount` credits of one were cancelled. One that is closed, or used up, is gone."""
    return tuple(
        grant._replace(amount=grant.amount - amount) if grant.grant_id == grant_id else grant
        for grant in coming
        if grant.grant_id != grant_id or (grant.amount > amount and not closed)
    )


def with_end(coming: ComingGrants, grant_id: str, expires_at: datetime | None) -> ComingGrants:
    """The coming grants after the credits of one got another end."""
    return tuple(grant._replace(expires_at=expires_at) if grant.grant_id == grant_id else grant for grant in coming)


def total_coming(coming: ComingGrants) -> int:
    """The credits of all coming grants."""
    return sum([grant.amount for grant in coming])
