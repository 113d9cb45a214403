"""What a period would have cost under another book, against a second model in fractions, over random lives."""

from collections import Counter
from dataclasses import astuple
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from audit.what_if import reading
from audit.what_if.costs import Costs, Groups, WhatIf
from audit.what_if.reading import Wanted, what_if
from audit.what_if.report import as_json
from ledger.domain.pricing.book import PriceBook
from ledger.service import Ledger
from ledger.store import Feed, Logged, read
from tests.conftest import Clock
from tests.long_form import times
from tests.what_if.lives import live, rates
from tests.what_if.naive import NAMES, sums_of

SHA = "ab" * 32


class Steps:
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def begin(self, what: str, total: int, unit: str) -> None:
        self.told.append((what, total))

    def reach(self, done: int) -> None:
        assert 0 <= done <= self.told[-1][1]


async def whole_log(ledger: Ledger) -> list[Logged]:
    feed = Feed(ledger.log)
    return read(await feed.rows(0, await feed.last_position(), 1_000_000))


def flat(found: WhatIf) -> dict[Any, dict[str, int]]:
    """The sums as the naive model has them."""
    sums: dict[Any, dict[str, int]] = {"total": _sums(found.total)}
    kinds: dict[str, Groups[Any]] = {
        "account": found.accounts,
        "plan": found.plans,
        "provider": found.providers,
        "model": found.models,
    }
    for kind, groups in kinds.items():
        assert groups.others is None
        sums |= {(kind, key): _sums(costs) for key, costs in groups.costs.items()}
    for one, costs in found.refusals.costs.items():
        key = "refused", one[:4]
        before = sums.get(key, dict.fromkeys(NAMES, 0))
        sums[key] = {name: before[name] + value for name, value in _sums(costs).items()}
    return sums


def _sums(costs: Costs) -> dict[str, int]:
    return dict(zip(NAMES, astuple(costs), strict=True))


async def test_it_is_what_a_naive_model_in_fractions_says(
    ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under random books, over random periods of random lives; and nothing is written."""
    monkeypatch.setattr(reading, "_PAGE", 7)
    monkeypatch.setattr(reading, "_PAGE_OF_WORDS", 5)
    chance, start = Random(15), clock()
    await live(ledger, clock, chance, times(300, 2_000))
    log, seen = await whole_log(ledger), Counter[str]()
    for _ in range(times(40, 1_000)):
        wanted = rates(chance)
        begin, end = sorted(_moment(chance, start, clock()) for _ in range(2))
        book = PriceBook.of(7, SHA, wanted)
        found = await what_if(ledger.log, Wanted(book, begin, end), Steps())
        expected = sums_of(log, wanted, begin, end)
        assert flat(found) == {"total": dict.fromkeys(NAMES, 0), **expected}
        seen.update(name for name, value in expected.get("total", {}).items() if value)
        seen.update(key[1][3] for key in expected if key[0] == "refused")
        seen.update(f"plan {key[1]}" for key in expected if key[0] == "plan")
    assert set(NAMES) <= seen.keys(), "each kind of sum was compared"
    assert {"no_rate", "not_charged", "nothing_said", "plan None", "plan small", "plan large"} <= seen.keys()
    assert await whole_log(ledger) == log


def _moment(chance: Random, start: datetime, end: datetime) -> datetime:
    return start + (end - start + timedelta(hours=2)) * chance.random() - timedelta(hours=1)


async def test_groups_beyond_the_most_are_summed_up_together(ledger: Ledger, clock: Clock) -> None:
    chance, start = Random(3), clock()
    await live(ledger, clock, chance, 60)
    wanted = Wanted(PriceBook.of(0, SHA, rates(chance)), start, clock() + timedelta(hours=1))
    steps = Steps()
    found = await what_if(ledger.log, wanted, steps, most_groups=1)
    whole = _sums((await what_if(ledger.log, wanted, Steps())).total)
    assert _sums(found.total) == whole
    for groups in (found.accounts, found.providers, found.models):
        [one], others = groups.costs.values(), groups.others
        assert others is not None
        assert {name: value + _sums(others)[name] for name, value in _sums(one).items()} == whole
    told = as_json(found)
    assert len(told["accounts"]) == 1
    assert set(told["others"]) >= {"accounts", "providers", "models"}
    assert [what for what, _ in steps.told] == ["reading subscriptions", "pricing"]


async def test_an_empty_log_costs_nothing(ledger: Ledger, clock: Clock) -> None:
    book = PriceBook.of(0, SHA, rates(Random(1)))
    found = await what_if(ledger.log, Wanted(book, clock(), clock() + timedelta(days=1)), Steps())
    assert flat(found) == {"total": dict.fromkeys(NAMES, 0)}
