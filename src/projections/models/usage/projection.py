"""Usage: what deductions paid for, in credits, tokens and counts, by account, quarter of an hour (UTC) and group.

A group is one combination of provider, model, project, member and metric. Many buckets use it, so it is stored once.
Its id is a hash of its values, so that every build gives it the same id.

The same sums are stored by hour, as for rollups. The SQL computes them, because that costs the runner less.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal, get_args

import orjson

from ledger.domain.changes import Fact
from ledger.domain.events import CreditsDeducted, HoldCaptured
from ledger.postgres.arrays import bigints, moments, numerics, texts
from projections.models.projection import Projection, Table, Write

Dimension = Literal["provider", "model", "project", "member", "metric"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
MEASURES = ("credits", "input_tokens", "output_tokens")

Group = tuple[str | None, ...]
"""The values of DIMENSIONS; None for a dimension that the deduction does not name."""
_NOTHING: dict[str, Any] = {}
_PAID = (CreditsDeducted, HoldCaptured)
"""The events that say what they paid for."""


@lru_cache(10_000)
def group_id(group: Group) -> str:
    """The id of a group: 16 bytes of BLAKE2b over its JSON, as the hexadecimal digits of a UUID."""
    return blake2b(orjson.dumps(group), digest_size=16).hexdigest()


def gather(facts: Sequence[Fact]) -> list[Write]:
    """New accounts, the groups in use, and the sums of each account, bucket and group."""
    groups: dict[Group, str] = {}
    found: dict[tuple[str, datetime, Group], list[int]] = {}
    for _, account_id, _, event, bucket, _ in facts:
        if not isinstance(event, _PAID):
            continue
        get: Callable[..., Any] = (event.usage or _NOTHING).get
        group: Group = (get("provider"), get("model"), get("project"), get("member"), get("metric"))
        key = account_id, bucket, group
        sums = found.get(key)
        if sums is None:
            sums = found[key] = [0, 0, 0, 0]
            groups[group] = group_id(group)
        sums[0] += event.amount
        sums[1] += get("input_tokens", 0)
        sums[2] += get("output_tokens", 0)
        sums[3] += 1
    opened = [(position, account_id) for position, account_id, version, *_ in facts if version == 1]
    writes = [_opened(opened)] if opened else []
    return [*writes, _known(groups), _sums(found, groups)] if found else writes


def _opened(opened: Sequence[tuple[int, str]]) -> Write:
    numbers, names = zip(*opened, strict=True)
    return Write("add_accounts", len(opened), {"numbers": bigints(numbers), "accounts": texts(names)})


def _known(groups: Mapping[Group, str]) -> Write:
    columns = {"group_ids": texts(list(groups.values()))}
    for place, dimension in enumerate(DIMENSIONS):
        columns[dimension] = texts([group[place] for group in groups])
    return Write("add_groups", len(groups), columns, exact=False)


def _sums(found: Mapping[tuple[str, datetime, Group], list[int]], groups: Mapping[Group, str]) -> Write:
    accounts: dict[str, int] = {}
    columns: dict[str, Any] = {
        "whose": bigints([accounts.setdefault(account_id, len(accounts) + 1) for account_id, _, _ in found]),
        "accounts": texts(list(accounts)),
        "buckets": moments([bucket for _, bucket, _ in found]),
        "group_ids": texts([groups[group] for _, _, group in found]),
        "counts": bigints([sums[3] for sums in found.values()]),
    }
    for place, measure in enumerate(MEASURES):
        columns[measure] = numerics([sums[place] for sums in found.values()])
    hours = {(account_id, bucket.replace(minute=0), group) for account_id, bucket, group in found}
    return Write("add", len(found) + len(hours), columns)


USAGE = Projection(
    "usage",
    version=3,
    tables=(Table("usage", ("account_id", "width", "bucket", "group_id")), Table("groups", ("group_id",))),
    gather=gather,
    stored=("usage_accounts", "groups", "usage_rows"),
)
