"""Explains the stored events of an account in order, from the log alone or from a given account state."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

from ledger.domain.account import Account
from ledger.domain.decisions.expiry import apply_due_expiries
from ledger.domain.events import AccountOpened
from ledger.domain.related_events import NO_RELATED_EVENTS, RelatedEvents, names_of
from ledger.explain.explaining import explain, subjects_of
from ledger.explain.explanation import Explanation
from ledger.store.feed import Feed, Logged, read
from ledger.store.reader import StoredRow
from ledger.store.records.chain import UnreadableEvent

PAGE = 500
"""Events that are read and explained together; older ones are not kept in memory."""


class ExplainedEvent(NamedTuple):
    """The explanation of a stored event, with the position of the event."""

    position: int
    explanation: Explanation


class ExplainedEvents(NamedTuple):
    """Consecutive events of an account, as stored, and their explanations.

    `explained` begins with the first row and ends at the first event that cannot be read or applied; `problem` says
    why, and is None when all events are explained.
    """

    rows: Sequence[StoredRow]
    explained: list[ExplainedEvent]
    problem: str | None


class BrokenStream(Exception):
    """An event is missing from a stream, or belongs to another account; the message says at which version."""


async def explain_stream(feed: Feed, account_id: str, upto: int) -> AsyncIterator[list[ExplainedEvent]]:
    """Explain an account's events from version 1 to version `upto`, and yield them a page at a time.

    It ends early at an event that cannot be applied: the `after` of its explanation is None. It raises UnreadableEvent
    or BrokenStream after it has yielded the events before the faulty one.
    """
    account: Account | None = None
    version = 0
    while version < upto:
        rows = await feed.stream(account_id, version, min(PAGE, upto - version))
        events, problem = _readable(rows, account_id, version + 1)
        explained = await explain_events(feed, account_id, account, events)
        yield explained
        if explained and explained[-1].explanation.after is None:
            return
        if problem is not None:
            raise problem
        account, version = explained[-1].explanation.after, rows[-1].version


async def explain_row(feed: Feed, before: Account | None, row: StoredRow) -> ExplainedEvent:
    """Explain one stored event, given the account before it. Raises UnreadableEvent and BrokenStream."""
    events, problem = _readable([row], row.account_id, before.version + 1 if before else 1)
    if problem is not None:
        raise problem
    return (await explain_events(feed, row.account_id, before, events))[0]


async def explain_rows(feed: Feed, before: Account | None, rows: Sequence[StoredRow]) -> ExplainedEvents:
    """Explain consecutive stored events of one account, given the account before them; `rows` is not empty."""
    account_id = rows[0].account_id
    events, problem = _readable(rows, account_id, before.version + 1 if before else 1)
    explained = await explain_events(feed, account_id, before, events) if events else []
    if explained and explained[-1].explanation.after is None:
        problem_at = explained[-1].explanation.version
        return ExplainedEvents(rows, explained, f"the event at version {problem_at} cannot be applied")
    return ExplainedEvents(rows, explained, str(problem) if problem else None)


def unrecorded_expiries(account: Account, at: datetime) -> tuple[list[Explanation], Account]:
    """Explain the expiries that are due at `at` and not yet recorded; also returns the account after them."""
    explained = []
    for event in apply_due_expiries(account, at)[0]:
        explained.append(explain(account, event))
        after = explained[-1].after
        assert after is not None, "the rules made this event"
        account = after
    return explained, account


def _readable(rows: Sequence[StoredRow], account_id: str, version: int) -> tuple[list[Logged], Exception | None]:
    """The events before the first one that cannot be read or is out of place, and what is wrong with that one."""
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


async def explain_events(
    feed: Feed, account_id: str, account: Account | None, events: Sequence[Logged]
) -> list[ExplainedEvent]:
    """Explain consecutive events, recorded or not, given the account before them.

    The list ends with the first event that cannot be applied.
    """
    related_events = await _related(feed, account_id, events)
    explained = []
    for logged in events:
        explanation = explain(account, logged.event, related_events.get(logged.version, NO_RELATED_EVENTS))
        explained.append(ExplainedEvent(logged.position, explanation))
        account = explanation.after
        if account is None:
            break
    return explained


async def _related(feed: Feed, account_id: str, events: Sequence[Logged]) -> dict[int, RelatedEvents]:
    """For each version that needs them, the earlier events about what it names; all are looked up together."""
    needed = {
        logged.version: subjects for logged in events if (subjects := subjects_of(logged.event, NO_RELATED_EVENTS))
    }
    by_version = {logged.version: logged.event for logged in events}
    found: dict[str, list[Logged]] = {}
    while missing := frozenset().union(*needed.values()) - found.keys():
        found |= {subject: [] for subject in missing}
        for logged in read(await feed.related_rows(account_id, sorted(missing), events[-1].version)):
            for subject in missing & names_of(logged.event):
                found[subject].append(logged)
        related_events = {version: _before(version, subjects, found) for version, subjects in needed.items()}
        needed = {version: subjects_of(by_version[version], related) for version, related in related_events.items()}
    return {version: _before(version, subjects, found) for version, subjects in needed.items()}


def _before(version: int, subjects: frozenset[str], found: dict[str, list[Logged]]) -> RelatedEvents:
    earlier = {e.version: e.event for name in subjects for e in found[name] if e.version < version}
    return RelatedEvents(tuple(event for _, event in sorted(earlier.items())))
