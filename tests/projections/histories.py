"""Random logs: the random histories of the domain's tests, on several accounts, interleaved into one log."""

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from ledger.domain.commands import MergeAccount, ReverseTransfer, SendCredits
from ledger.domain.events import (
    AccountOpened,
    CreditsDeducted,
    CreditsGranted,
    CreditsHeld,
    CreditsReceived,
    CreditsSent,
    CreditsSentBack,
    DeductionReversed,
    Event,
    GrantVoided,
    HoldCaptured,
    PaymentRecorded,
    TransferReversed,
    UsageMetered,
)
from tests.domain.journal import Journal
from tests.domain.moving import move
from tests.domain.strategies import journals
from tests.projections.folding import Told

ACCOUNTS = ["ada", "Ada", "zoë/ü", "a" * 128]
"""What a column that is compared by language, without case or by a prefix would mix up."""
WORDS = ["a", "A", "", "é", "two words", '"quoted", {}', "\N{SNOWMAN}", "x" * 128]
SAID = [None, None, *WORDS]
DELAYS = [timedelta(0), timedelta(minutes=-5), timedelta(minutes=20), timedelta(hours=2), timedelta(days=35)]
"""Between when usage occurred and when it was recorded."""
TOKENS = [None, 0, 1, 999, 2**53 - 1]


@st.composite
def logs(draw: st.DrawFn, accounts: int = 4, longest: int = 30) -> list[Told]:
    """The log of one to some accounts, in an order in which it could have been written."""
    names = ACCOUNTS[: draw(st.integers(1, accounts))]
    journals_of_names = {name: draw(journals(longest, moves=False)) for name in names}
    chance = random.Random(draw(st.integers(0, 2**32)))
    if len(names) > 1:
        for _ in range(draw(st.integers(0, 4))):
            move_something(journals_of_names, chance)
    streams = {
        name: [dressed(event, name, chance) for event in journal.events] for name, journal in journals_of_names.items()
    }
    return interleaved(streams, chance)


def move_something(known: dict[str, Journal], chance: random.Random) -> None:
    """Move credits between two of the accounts, or move them back, or merge one into the other, if that is possible."""
    sender, receiver = chance.sample(sorted(known), 2)
    sent = [e for e in known[sender].events if isinstance(e, CreditsSent) and e.to_account_id == receiver]
    if sent and chance.random() < 0.6:
        move(ReverseTransfer(sender, chance.choice(sent).transfer_id), known[sender], known[receiver])
    elif chance.random() < 0.15:
        move(MergeAccount(sender, receiver), known[sender], known[receiver])
    else:
        amount = chance.choice([None, 1, 20])
        move(SendCredits(sender, receiver, amount), known[sender], known[receiver])


def interleaved(streams: dict[str, list[Event]], chance: random.Random) -> list[Told]:
    """Streams as one log: each in its order, all of them mixed."""
    turns = [name for name, events in streams.items() for _ in events]
    chance.shuffle(turns)
    coming = {name: enumerate(events, 1) for name, events in streams.items()}
    return [Told(position, name, *next(coming[name])) for position, name in enumerate(turns, 1)]


def dressed(event: Event, account_id: str, chance: random.Random) -> Event:
    """The event with the words that the rules do not look at, which a journal leaves out."""

    def word() -> Any:
        return chance.choice(SAID)

    match event:
        case AccountOpened():
            return replace(event, account_id=account_id)
        case CreditsGranted():
            return replace(event, transaction_id=word(), description=word())
        case CreditsDeducted() | HoldCaptured():
            occurred_at = event.recorded_at - chance.choice(DELAYS) if chance.random() < 0.3 else None
            said = usage(chance)
            return replace(event, task_id=word(), description=word(), usage=said, occurred_at=occurred_at)
        case UsageMetered():
            occurred_at = event.recorded_at - chance.choice(DELAYS) if chance.random() < 0.3 else None
            said = {**(usage(chance) or {}), **event.usage}
            said.pop("quantity", None)
            return replace(event, task_id=word(), usage=said, occurred_at=occurred_at)
        case CreditsHeld():
            return replace(event, task_id=word(), description=word())
        case CreditsSent() | CreditsReceived():
            return replace(event, description=word())
        case DeductionReversed() | GrantVoided() | TransferReversed() | CreditsSentBack():
            return replace(event, reason=word())
        case PaymentRecorded():
            return replace(event, plan=word())
        case _:
            return event


def usage(chance: random.Random) -> dict[str, str | int | bool] | None:
    """What a deduction was for: few values, so that groups meet."""
    values: dict[str, Any] = {"provider": chance.choice([None, "a", "b"]), "model": chance.choice([None, "a"])}
    if chance.random() < 0.2:
        values |= {name: chance.choice(SAID) for name in ("project", "member", "metric", "key", "agent")}
    if chance.random() < 0.8:
        values |= {name: chance.choice(TOKENS) for name in ("input_tokens", "output_tokens")}
    if chance.random() < 0.5:
        values |= {"quantity": chance.choice([None, 0, 1, *TOKENS]), "success": chance.choice([None, True, False])}
        values["duration_ms"] = chance.choice([*TOKENS, 2, 10, 11, 86_400_000])
        values["cached_tokens"] = (None, 0, 12)[(values["duration_ms"] or 0) % 3]
    return {name: value for name, value in values.items() if value is not None} or None
