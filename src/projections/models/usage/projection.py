"""Usage: what deductions paid for, in credits, tokens and counts, by account, quarter of an hour (UTC) and group.

A group is one combination of provider, model, project, member, metric, key and agent. Many buckets use it, so it is
stored once. Its id is a hash of its values, so that every build gives it the same id.

The same sums are stored by hour, as for rollups. The SQL computes them, because that costs the runner less.

Sums are by the time of recording. Where usage occurred in another bucket, rows of negative width have the difference:
what to add to the sums by recording to get those by occurrence. So usage without `occurred_at` costs nothing more.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson

from ledger.domain.changes import Fact, bucket_of
from ledger.domain.events import CreditsDeducted, HoldCaptured, UsageMetered
from ledger.domain.usage import DIMENSIONS
from ledger.postgres.arrays import bigints, integers, moments, numerics, texts
from projections.models.measured import METERED, is_measured, measured_in
from projections.models.projection import Projection, Table, Write

MEASURES = ("credits", "input_tokens", "output_tokens", "cached_tokens", "uncollected")
_CACHED, _UNCOLLECTED, _COUNT = 3, 4, 5

QUARTER = 15
"""The width of a bucket, in minutes."""

Group = tuple[str | None, ...]
"""The values of DIMENSIONS; None for a dimension that the deduction does not name."""
_NOTHING: dict[str, Any] = {}
_PAID = (CreditsDeducted, HoldCaptured)
"""The events that say what they paid for."""


_EARLIER = 5
"""How many dimensions there were before key and agent: a group that names neither keeps the id that it had then."""


@lru_cache(10_000)
def group_id(group: Group) -> str:
    """The id of a group: 16 bytes of BLAKE2b over its JSON, as the hexadecimal digits of a UUID."""
    named = group[:_EARLIER] if group[_EARLIER:].count(None) == len(group) - _EARLIER else group
    return blake2b(orjson.dumps(named), digest_size=16).hexdigest()


_Key = tuple[str, int, datetime, Group]
"""An account, the width of a bucket (negative: differences between occurrence and recording), the bucket, a group."""


class _Found:
    """The sums of a batch by quarter of an hour, and what was measured, by slot."""

    def __init__(self) -> None:
        self.groups: dict[Group, str] = {}
        self.sums: dict[_Key, list[int]] = {}
        self.measured: dict[tuple[_Key, int], list[int]] = {}

    def add(self, key: _Key, event: CreditsDeducted | HoldCaptured, sign: int = 1) -> None:
        """Add a deduction to the sums of a key, or take it away."""
        usage: Mapping[str, Any] = event.usage or _NOTHING
        sums = self.sums.get(key)
        if sums is None:
            sums = self.sums[key] = [0, 0, 0, 0, 0, 0]
            self.groups[key[-1]] = group_id(key[-1])
        sums[0] += sign * event.amount
        sums[1] += sign * usage.get("input_tokens", 0)
        sums[2] += sign * usage.get("output_tokens", 0)
        sums[_COUNT] += sign
        if "cached_tokens" in usage:
            sums[_CACHED] += sign * usage["cached_tokens"]
        if event.uncollected is not None:
            sums[_UNCOLLECTED] += sign * event.uncollected
        if is_measured(usage):
            self._measure(key, measured_in(usage), sign)

    def meter(self, key: _Key, event: UsageMetered, sign: int = 1) -> None:
        """Add a metered use to what was measured of a key, or take it away: it is no deduction."""
        if key[-1] not in self.groups:
            self.groups[key[-1]] = group_id(key[-1])
        self._measure(key, [(METERED, event.quantity), *measured_in(event.usage)], sign)

    def _measure(self, key: _Key, measured: Sequence[tuple[int, int]], sign: int) -> None:
        for slot, said in measured:
            counted = self.measured.setdefault((key, slot), [0, 0])
            counted[0] += sign
            counted[1] += sign * said


def gather(facts: Sequence[Fact]) -> list[Write]:
    """New accounts, the groups in use, the sums of each account, bucket and group, and what was measured."""
    found = _Found()
    add = found.add
    for _, account_id, _, event, bucket, _ in facts:
        if isinstance(event, _PAID):
            key = account_id, QUARTER, bucket, _group_of(event.usage or _NOTHING)
            add(key, event)
            if event.occurred_at is not None:
                for moved, sign in _moves(key, event.occurred_at):
                    add(moved, event, sign)
        elif isinstance(event, UsageMetered):
            key = account_id, QUARTER, bucket, _group_of(event.usage)
            for moved, sign in ((key, 1), *_moves(key, event.occurred_at)):
                found.meter(moved, event, sign)
    opened = [(position, account_id) for position, account_id, version, *_ in facts if version == 1]
    writes = [_opened(opened)] if opened else []
    if found.groups:
        writes.append(_known(found.groups))
    if found.sums:
        writes.append(_sums(found))
    return [*writes, _measured(found)] if found.measured else writes


def _group_of(usage: Mapping[str, Any]) -> Group:
    get: Callable[..., Any] = usage.get
    return get("provider"), get("model"), get("project"), get("member"), get("metric"), get("key"), get("agent")


def _moves(key: _Key, occurred_at: datetime | None) -> list[tuple[_Key, int]]:
    """Where to take something away, and where to add it, when it occurred in another bucket than that of its key."""
    account_id, width, bucket, group = key
    then = bucket if occurred_at is None else bucket_of(occurred_at)
    if then == bucket:
        return []
    return [((account_id, -width, bucket, group), -1), ((account_id, -width, then, group), 1)]


def _hour_of(key: _Key) -> _Key:
    account_id, width, bucket, group = key
    return account_id, width, bucket.replace(minute=0), group


def _opened(opened: Sequence[tuple[int, str]]) -> Write:
    numbers, names = zip(*opened, strict=True)
    return Write("add_accounts", len(opened), {"numbers": bigints(numbers), "accounts": texts(names)})


def _known(groups: Mapping[Group, str]) -> Write:
    columns = {"group_ids": texts(list(groups.values()))}
    for place, dimension in enumerate(DIMENSIONS):
        columns[dimension] = texts([group[place] for group in groups])
    return Write("add_groups", len(groups), columns, exact=False)


def _sums(found: _Found) -> Write:
    columns = _keys(list(found.sums), found.groups)
    columns["counts"] = bigints([sums[_COUNT] for sums in found.sums.values()])
    for place, measure in enumerate(MEASURES):
        columns[measure] = numerics([sums[place] for sums in found.sums.values()])
    hours = set(map(_hour_of, found.sums))
    return Write("add", len(found.sums) + len(hours), columns)


def _measured(found: _Found) -> Write:
    columns = _keys([key for key, _ in found.measured], found.groups)
    columns["slots"] = integers([slot for _, slot in found.measured])
    columns["counts"] = bigints([count for count, _ in found.measured.values()])
    columns["totals"] = numerics([total for _, total in found.measured.values()])
    hours = {(_hour_of(key), slot) for key, slot in found.measured}
    return Write("add_measured", len(found.measured) + len(hours), columns)


def _keys(keys: Sequence[_Key], groups: Mapping[Group, str]) -> dict[str, Any]:
    accounts: dict[str, int] = {}
    return {
        "whose": bigints([accounts.setdefault(account_id, len(accounts) + 1) for account_id, *_ in keys]),
        "accounts": texts(list(accounts)),
        "widths": integers([width for _, width, _, _ in keys]),
        "buckets": moments([bucket for _, _, bucket, _ in keys]),
        "group_ids": texts([groups[group] for *_, group in keys]),
    }


USAGE = Projection(
    "usage",
    version=5,
    tables=(
        Table("usage", ("account_id", "width", "bucket", "group_id")),
        Table("usage_measured", ("account_id", "width", "bucket", "group_id", "slot")),
        Table("groups", ("group_id",)),
    ),
    gather=gather,
    stored=("usage_accounts", "groups", "usage_rows", "measured_rows"),
)
