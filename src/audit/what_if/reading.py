"""Reads a period of the log, and adds up what its usage would have cost under another price book. It writes nothing."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

from audit.what_if.costs import MOST_GROUPS, Effect, Refused, WhatIf
from audit.what_if.effects import effect_of, reversal_effect, reversed_deduction
from audit.what_if.plans import PlansSoFar
from audit.what_if.positions import positions_of
from ledger.domain.events import CreditsDeducted, DeductionReversed, Event, HoldCaptured, SubscriptionRecorded
from ledger.domain.pricing.book import PriceBook
from ledger.domain.pricing.price import NoPrice
from ledger.domain.usage import NO_USAGE, Usage
from ledger.progress import Progress
from ledger.slices import Slices
from ledger.store import EventLog, Feed, Logged, StoredRow, decode_uncounted, read

_WORDS = ("SubscriptionRecorded",)
_TYPES = ("CreditsDeducted", "HoldCaptured", "DeductionReversed", *_WORDS)
_PAGE, _PAGE_OF_WORDS = 2_000, 20_000
"""The positions that one statement looks at."""
_Streams = dict[str, dict[int, Event]]


class Wanted(NamedTuple):
    """The other book, and the time from one instant on and before another in which usage was recorded."""

    book: PriceBook
    begin: datetime
    end: datetime


async def what_if(log: EventLog, wanted: Wanted, progress: Progress, *, most_groups: int = MOST_GROUPS) -> WhatIf:
    """Add up a period, up to the end of the log as it is now. Raises UnreadableEvent."""
    feed = Feed(log)
    upto = await feed.last_position()
    after, last = await positions_of(feed, wanted.begin, wanted.end, upto)
    work = Slices()
    adding = _Adding(log, wanted, WhatIf(most_groups), PlansSoFar(), work)
    progress.begin("reading subscriptions", after, "events")
    async for at, rows in feed.pages(0, after, _PAGE_OF_WORDS, _WORDS):
        await adding.words(rows)
        progress.reach(at)
    progress.begin("pricing", last - after, "events")
    async for at, rows in feed.pages(after, last, _PAGE, _TYPES):
        await adding.events(rows)
        progress.reach(at - after)
    return adding.found


class _Adding(NamedTuple):
    """What is found so far, and what it is found with."""

    log: EventLog
    wanted: Wanted
    found: WhatIf
    plans: PlansSoFar
    work: Slices

    async def words(self, rows: Sequence[StoredRow]) -> None:
        """Take what is said of subscriptions before the period."""
        async for one in self._read(rows):
            if isinstance(one.event, SubscriptionRecorded):
                self.plans.add(one.account_id, one.event)

    async def events(self, rows: Sequence[StoredRow]) -> None:
        """Add a page of the period."""
        page = [one async for one in self._read(rows)]
        streams = await self._originals([one for one in page if self._in_period(one.event)])
        for one in page:
            if isinstance(one.event, SubscriptionRecorded):
                self.plans.add(one.account_id, one.event)
            elif self._in_period(one.event):
                self._add(one, streams)
            if self.work.over:
                await self.work.pause()

    async def _read(self, rows: Sequence[StoredRow]) -> AsyncIterator[Logged]:
        for row in rows:
            yield read((row,), decode_uncounted)[0]
            if self.work.over:
                await self.work.pause()

    def _in_period(self, event: Event) -> bool:
        return self.wanted.begin <= event.recorded_at < self.wanted.end

    async def _originals(self, page: Sequence[Logged]) -> _Streams:
        """By account and version, the deductions that a page reverses, and all of their reversals."""
        wanted: dict[str, set[str]] = {}
        for one in page:
            if isinstance(one.event, DeductionReversed):
                wanted.setdefault(one.account_id, set()).add(one.event.deduction_id)
        if not wanted:
            return {}
        async with self.log.reader() as reader:
            return await reader.related_events(wanted)

    def _add(self, one: Logged, streams: _Streams) -> None:
        match one.event:
            case CreditsDeducted() | HoldCaptured():
                self._sum(one, one.event.usage or NO_USAGE, effect_of(self.wanted.book, one.event))
            case DeductionReversed():
                spent, before = reversed_deduction(one.event, one.version, streams[one.account_id])
                effect = reversal_effect(self.wanted.book, spent, before, one.event)
                self._sum(one, spent.usage or NO_USAGE, effect)
            case _:
                pass

    def _sum(self, one: Logged, usage: Usage, effect: Effect) -> None:
        provider, model, metric = (_text(usage.get(name)) for name in ("provider", "model", "metric"))
        found = self.found
        found.total.add(effect)
        found.accounts.add(one.account_id, effect)
        found.plans.add(self.plans.plan_of(one.account_id, one.event.recorded_at), effect)
        found.providers.add(provider, effect)
        found.models.add((provider, model), effect)
        if isinstance(effect.other, NoPrice):
            refused = Refused(provider, model, metric, effect.other.why, effect.other.fields)
            found.refusals.add(refused, effect)


def _text(value: str | int | None) -> str | None:
    return value if isinstance(value, str) else None
