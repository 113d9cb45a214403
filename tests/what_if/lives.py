"""Random lives of some accounts on a real ledger, and random price books that may be for what they used."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from ledger.commit.submission import Recorded
from ledger.domain.commands import (
    CaptureHold,
    Command,
    DeductCredits,
    PlaceHold,
    RecordSubscription,
    ReverseDeduction,
)
from ledger.domain.errors import Refusal
from ledger.domain.events import CreditsHeld, Event
from ledger.domain.plans.terms import Interval, Terms
from ledger.domain.pricing.book import AmbiguousRates, check_rates
from ledger.domain.pricing.exact import exact
from ledger.domain.pricing.rates import Charge, Flat, Package, PerUnit, Rate, Tier, Tiers
from ledger.service import Ledger
from tests.conftest import Clock
from tests.store.asking import open_account, submission

ACCOUNTS = ["ada", "bob", "cyd"]
_MODELS = [None, "gpt-5", "gpt-5-mini", "claude"]
_METRICS = [None, None, None, "image"]
_GLOBS = ["*", "gpt-*", "gpt-5", "*mini", "claude"]
_NUMBERS = ["0", "1", "0.25", "1/3", "2/7", "12.5", "1/999999937"]


async def live(ledger: Ledger, clock: Clock, chance: Random, turns: int) -> None:
    """Open the accounts, and let them deduct, hold, capture, reverse and subscribe."""
    for account in ACCOUNTS:
        await open_account(ledger, account, permanent=400)
    made: dict[str, list[str]] = {"hold": [], "deduction": []}
    for turn in range(turns):
        clock.forward(minutes=chance.choice([0, 1, 30, 300]))
        account = chance.choice(ACCOUNTS)
        command, operation = _command(chance, account, clock(), made)
        done = await ledger.execute(submission(command, operation, f"t{turn}"))
        if isinstance(done, Recorded):
            for event in done.events:
                _remember(made, account, event)
        else:
            assert isinstance(done, Refusal), done


def _remember(made: dict[str, list[str]], account: str, event: Event) -> None:
    if isinstance(event, CreditsHeld):
        made["hold"].append(f"{account} {event.hold_id}")
    elif hasattr(event, "deduction_id"):
        made["deduction"].append(f"{account} {event.deduction_id}")


def _command(chance: Random, account: str, now: datetime, made: dict[str, list[str]]) -> tuple[Command, str]:
    kind = chance.choice(["deduct"] * 6 + ["hold"] * 2 + ["capture"] * 3 + ["reverse"] * 3 + ["subscription"])
    amount: int = chance.choice([1, 2, 7, 40])
    own = {what: [one.partition(" ")[2] for one in those if one.startswith(account)] for what, those in made.items()}
    if kind == "subscription":
        return _subscribed(chance, account, now), "subscription"
    if kind == "hold":
        return PlaceHold(account, amount, timedelta(hours=12)), "hold"
    if kind == "capture" and own["hold"]:
        hold, final = chance.choice(own["hold"][-3:]), chance.random() < 0.5
        return CaptureHold(account, hold, amount, final, "available", usage(chance)), "capture"
    if kind == "reverse" and own["deduction"]:
        deduction = chance.choice(own["deduction"])
        return ReverseDeduction(account, deduction, chance.choice([None, 1, 2, 3])), "reverse"
    return DeductCredits(account, amount, usage=usage(chance), on_shortfall="available"), "deduct"


def _subscribed(chance: Random, account: str, now: datetime) -> RecordSubscription:
    """A word, which may be older than those that are known."""
    plan, rank = chance.choice([("small", 1), ("large", 2)])
    status: Any = chance.choice(["active", "active", "past_due", "paused", "ended"])
    as_of = now - timedelta(hours=chance.choice([0, 0, 50]))
    ends_at = as_of if status == "ended" else chance.choice([None, None, now + timedelta(hours=20)])
    terms = Terms(plan, 1, 5, Interval(1, "months"), Interval(1, "months"), rank=rank)
    name = f"{account}-{chance.choice('xy')}"
    return RecordSubscription(account, name, "till", status, terms, as_of, ends_at=ends_at)


def usage(chance: Random) -> dict[str, str | int | bool] | None:
    """What was used, from little to a lot; None: nothing is said."""
    if chance.random() < 0.15:
        return None
    said: dict[str, Any] = {
        "provider": chance.choice([None, "openai", "other"]),
        "model": chance.choice(_MODELS),
        "metric": chance.choice(_METRICS),
        "project": chance.choice([None, "site"]),
    }
    for name in ("input_tokens", "output_tokens", "cached_tokens", "quantity"):
        said[name] = chance.choice([None, None, 0, 1, 3, 999, 12_345])
    return {name: value for name, value in said.items() if value is not None} or None


def rates(chance: Random) -> list[Rate]:
    """The rates of a book, of which no two are equally specific where they meet."""
    kept: list[Rate] = []
    for _ in range(chance.randrange(1, 7)):
        one = _rate(chance)
        try:
            check_rates([*kept, one])
        except AmbiguousRates:
            continue
        kept.append(one)
    return kept


def _rate(chance: Random) -> Rate:
    quantities: Sequence[Any] = ("input_tokens", "output_tokens", "cached_tokens", "quantity")
    counted = chance.sample(quantities, chance.randrange(4))
    charges: list[Charge] = [_charge(chance, of) for of in counted] or [Flat(_number(chance))]
    free = tuple(of for of in quantities if of not in counted and chance.random() < 0.7)
    provider, metric = chance.choice(["*", "*", "openai"]), chance.choice(["*", "*", "image"])
    minimum = _number(chance) if chance.random() < 0.3 else exact("0")
    return Rate(provider, chance.choice(_GLOBS), metric, tuple(charges), minimum, free)


def _charge(chance: Random, of: Any) -> Charge:
    per = chance.choice([1, 10, 1_000])
    match chance.randrange(3):
        case 0:
            return PerUnit(of, _number(chance), per)
        case 1:
            return Package(of, _number(chance), per)
        case _:
            tiers = Tier(chance.choice([1, 100]), _number(chance)), Tier(None, _number(chance))
            return Tiers(chance.choice(["graduated", "volume"]), of, tiers, per)


def _number(chance: Random) -> Any:
    return exact(chance.choice(_NUMBERS))
