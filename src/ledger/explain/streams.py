"""Streams retold for auditors: each stored event with its explanation, folded from the log and nothing else."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

from ledger.domain.account import Account
from ledger.domain.events import AccountOpened
from ledger.domain.expiry import apply_due_expiries
from ledger.domain.related_events import NO_RELATED_EVENTS, RelatedEvents, made_by, subject_of
from ledger.explain.explaining import explain, subjects_of
from ledger.explain.explanation import Explanation
from ledger.store.feed import Feed, Logged, UnreadableEvent, read
from ledger.store.log import StoredRow

PAGE = 500
"""Events that are read, explained and let go of together."""


class Retold(NamedTuple):
    """A stored event, explained."""

    position: int
    explanation: Explanation


class Passage(NamedTuple):
    """Some events of an account in a row, as stored. Those that could be gone on from are explained, from the first one
    on; `problem` says why the others are not."""

    rows: Sequence[StoredRow]
    told: list[Retold]
    problem: str | None


class BrokenStream(Exception):
    """A stream that has lost an event, or is another account's; the message says where."""


async def retell(feed: Feed, account_id: str, upto: int) -> AsyncIterator[list[Retold]]:
    """An account's events from the first one to version `upto`, some at a time.

    Ends early when nobody could go on from an event: the account after it is None then. Raises UnreadableEvent and
    BrokenStream, after what could be told before.
    """
    account: Account | None = None
    version = 0
    while version < upto:
        rows = await feed.stream(account_id, version, min(PAGE, upto - version))
        events, problem = _readable(rows, account_id, version + 1)
        told = await retell_events(feed, account_id, account, events)
        yield told
        if told and told[-1].explanation.after is None:
            return
        if problem is not None:
            raise problem
        account, version = told[-1].explanation.after, rows[-1].version


async def retell_one(feed: Feed, before: Account | None, row: StoredRow) -> Retold:
    """One stored event, on the account before it. Raises UnreadableEvent and BrokenStream."""
    events, problem = _readable([row], row.account_id, before.version + 1 if before else 1)
    if problem is not None:
        raise problem
    return (await retell_events(feed, row.account_id, before, events))[0]


async def retell_some(feed: Feed, before: Account | None, rows: Sequence[StoredRow]) -> Passage:
    """Some stored events of an account in a row, on the account before them."""
    account_id = rows[0].account_id
    events, problem = _readable(rows, account_id, before.version + 1 if before else 1)
    told = await retell_events(feed, account_id, before, events) if events else []
    if told and told[-1].explanation.after is None:
        return Passage(rows, told, f"nobody could go on from version {told[-1].explanation.version}")
    return Passage(rows, told, str(problem) if problem else None)


def unrecorded(account: Account, at: datetime) -> tuple[list[Explanation], Account]:
    """What time had taken by a moment and no event tells yet, explained, and the account after it."""
    told = []
    for event in apply_due_expiries(account, at)[0]:
        told.append(explain(account, event))
        after = told[-1].after
        assert after is not None, "it was made by the rules"
        account = after
    return told, account


def _readable(rows: Sequence[StoredRow], account_id: str, version: int) -> tuple[list[Logged], Exception | None]:
    """The events up to the first that cannot be gone on from, and why it cannot."""
    events: list[Logged] = []
    if not rows:
        return events, BrokenStream(f"version {version} is missing at the end of the stream")
    for expected, row in enumerate(rows, version):
        if row.version != expected:
            return events, BrokenStream(f"version {expected} is missing: version {row.version} is next")
        try:
            events += read([row])
        except UnreadableEvent as problem:
            return events, problem
        opened = events[-1].event
        if isinstance(opened, AccountOpened) and opened.account_id != account_id:
            return events[:-1], BrokenStream(f"version {expected} opens another account, {opened.account_id!r}")
    return events, None


async def retell_events(feed: Feed, account_id: str, account: Account | None, events: Sequence[Logged]) -> list[Retold]:
    """Events in a row, recorded or not, on the account before them. Ends where nobody could go on."""
    related_events = await _related(feed, account_id, events)
    told = []
    for logged in events:
        explanation = explain(account, logged.event, related_events.get(logged.version, NO_RELATED_EVENTS))
        told.append(Retold(logged.position, explanation))
        account = explanation.after
        if account is None:
            break
    return told


async def _related(feed: Feed, account_id: str, events: Sequence[Logged]) -> dict[int, RelatedEvents]:
    """For each version that needs it, the earlier events about what it names: looked up for all of them together."""
    needed = {
        logged.version: subjects for logged in events if (subjects := subjects_of(logged.event, NO_RELATED_EVENTS))
    }
    by_version = {logged.version: logged.event for logged in events}
    found: dict[str, list[Logged]] = {}
    while missing := frozenset().union(*needed.values()) - found.keys():
        found |= {subject: [] for subject in missing}
        for logged in read(await feed.about(account_id, sorted(missing), events[-1].version)):
            for subject in missing & {subject_of(logged.event), made_by(logged.event)}:
                found[subject].append(logged)
        related_events = {version: _before(version, subjects, found) for version, subjects in needed.items()}
        needed = {version: subjects_of(by_version[version], related) for version, related in related_events.items()}
    return {version: _before(version, subjects, found) for version, subjects in needed.items()}


def _before(version: int, subjects: frozenset[str], found: dict[str, list[Logged]]) -> RelatedEvents:
    earlier = {e.version: e.event for name in subjects for e in found[name] if e.version < version}
    return RelatedEvents(tuple(event for _, event in sorted(earlier.items())))
