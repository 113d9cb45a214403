"""A log of believable shape: users who come for a while, do some work that costs credits, and go.

Every ten minutes some of them begin, each with 6 to 15 deductions over six minutes, so that half of the sessions go
over into the next quarter of an hour. Some place a hold, have a deduction reversed or pay for more. Nine of ten events
are deductions. All of it follows from one seed: every run has the same log, but for its times.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from benchmarks.filling import Filler, Wish, filling
from ledger.commit.submission import Recorded
from ledger.domain.events import CreditsDeducted, CreditsHeld

ACCOUNTS = 600
TOGETHER = 40
"""Sessions that begin at the same time."""

_STEP = timedelta(milliseconds=1)
_PART = timedelta(minutes=3)
_REST = timedelta(minutes=4)
_PROMOTION = timedelta(days=1)
_MODELS = {"anthropic": ("large", "small"), "openai": ("large", "small", "image"), "google": ("large", "video")}
_WORK = ("Answer in a chat", "Summary of a document", "An image of a product", "Translation of a page")


async def fill_with_sessions(conninfo: str, events: int) -> Counter[str]:
    """Fill an empty ledger with at least so many events; returns how many of each type there are."""
    begins = datetime.now(UTC) - timedelta(days=25)
    async with filling(conninfo, begins, _STEP) as filler:
        await _Users(Random(events)).work(filler, events)
        return filler.events


class _Users:
    """Who they are, and what they ask for."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._accounts = [str(UUID(int=chance.getrandbits(128), version=4)) for _ in range(ACCOUNTS)]
        self._known = set[str]()

    async def work(self, filler: Filler, events: int) -> None:
        """One session after the other."""
        while filler.events.total() < events:
            users = self._chance.sample(self._accounts, TOGETHER)
            await filler.ask(wish for user in users for wish in self._welcome(user))
            begun = await filler.ask(wish for user in users for wish in self._begin(user, filler.clock.now))
            filler.clock.now += _PART
            await filler.ask(wish for user in users for wish in self._deductions(user))
            filler.clock.now += _PART
            await filler.ask(wish for user in users for wish in self._deductions(user))
            await filler.ask(self._endings(begun))
            filler.clock.now += _REST

    def _welcome(self, user: str) -> Iterator[Wish]:
        """Whoever is new opens an account and buys a month."""
        if user not in self._known:
            self._known.add(user)
            yield Wish("open", user, {"account_id": user, "metadata": {"plan": "pro"}})
            yield self._payment(user, {"kind": "subscription", "amount": 100_000, "source": "subscription"})

    def _begin(self, user: str, now: datetime) -> Iterator[Wish]:
        if self._chance.random() < 0.1:
            yield self._payment(user, {"kind": "permanent", "amount": 1_000, "source": "topup"})
        if self._chance.random() < 0.05:
            until = (now + _PROMOTION).isoformat()
            fields = {"kind": "subscription", "amount": 30, "source": "promotion", "expires_at": until}
            yield Wish("grant", user, {**fields, "transaction_id": self._id("promotion")})
        if self._chance.random() < 0.35:
            fields = {"amount": 40, "task_id": self._id("task"), "description": self._chance.choice(_WORK)}
            yield Wish("hold", user, fields, key=self._id("hold"))
        yield from self._deductions(user)

    def _deductions(self, user: str) -> Iterator[Wish]:
        for _ in range(self._chance.randint(2, 5)):
            yield deduction(self._chance, user)

    def _endings(self, begun: Iterable[Recorded]) -> Iterator[Wish]:
        """What becomes of holds, and of a few deductions."""
        for user, _, _, events, _ in begun:
            for event in events:
                if isinstance(event, CreditsHeld):
                    yield self._ending(user, event.hold_id)
                elif isinstance(event, CreditsDeducted) and self._chance.random() < 0.05:
                    ids = {"deduction_id": event.deduction_id}
                    yield Wish("reverse", user, {"reason": "The answer was empty"}, self._id("reversal"), ids)

    def _ending(self, user: str, hold_id: str) -> Wish:
        ids = {"hold_id": hold_id}
        if self._chance.random() < 0.15:
            return Wish("release", user, {}, self._id("release"), ids)
        fields = {"amount": self._chance.randint(1, 40), "usage": _usage(self._chance, user)}
        return Wish("capture", user, fields, self._id("capture"), ids)

    def _payment(self, user: str, grant: dict[str, str | int]) -> Wish:
        said = {"provider": "stripe", "status": "paid", "amount_minor": 2_000, "currency": "EUR", "plan": "pro"}
        return Wish("payment", user, {**said, "payment_id": self._id("pi"), "grant": grant})

    def _id(self, what: str) -> str:
        return _id(self._chance, what)


def deduction(chance: Random, account: str) -> Wish:
    """Some work that costs credits."""
    fields = {"amount": chance.randint(1, 20), "task_id": _id(chance, "task"), "description": chance.choice(_WORK)}
    return Wish("deduct", account, {**fields, "usage": _usage(chance, account)})


def _usage(chance: Random, account: str) -> dict[str, str | int]:
    provider = chance.choice(list(_MODELS))
    return {
        "provider": provider,
        "model": f"{provider}-{chance.choice(_MODELS[provider])}",
        "project": f"project-{account[:2]}",
        "member": f"member-{account[:6]}",
        "input_tokens": chance.randint(1, 5_000),
        "output_tokens": chance.randint(1, 900),
    }


def _id(chance: Random, what: str) -> str:
    return f"{what}-{chance.getrandbits(48):012x}"
