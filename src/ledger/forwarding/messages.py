"""Messages between workers: commands on their way to the owner, and their outcomes on the way back, as JSON.

A command becomes a list of its fields, without what the owner can compute again. An event is passed on as the bytes
that the log has of it. Both sides run the same program, so messages have no versions. See docs/adr/0059-one-owner.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, cast, get_args

import orjson

from ledger.commit.submission import (
    ExpectedVersions,
    NoSession,
    Outcome,
    Overloaded,
    Recorded,
    StorageFull,
    Submission,
    Unavailable,
)
from ledger.domain import commands as command_types
from ledger.domain import errors
from ledger.domain.commands import Command, GrantCredits, MovedLot, MovedLots, NewLimit
from ledger.domain.errors import BatchRefused, Refusal
from ledger.domain.periods import CalendarPeriod, TimedPeriod
from ledger.domain.plans.subscribed import SubscriptionPayment
from ledger.domain.plans.terms import Interval, RollOver, Terms
from ledger.domain.pricing.price import FittingRate, NoPrice, Price, Priced, PriceLine
from ledger.store.records.codec import Metadata, decoded, encode

Message = list[Any]
"""A message as it was read: a list whose first element says what it is about."""


class CommandFailed(Exception):
    """The owner could not carry out a command, because of an error that its log explains."""


HELLO, PING, READY, TOGETHER = "hello", "ping", "ready", "together"
"""The first elements of other messages than commands and outcomes, which begin with the number that belongs to both."""


def hello_message(forwarder: str) -> bytes:
    """What a forwarding worker sends first: who it is."""
    return orjson.dumps((HELLO, forwarder))


PING_MESSAGE = orjson.dumps((PING,))
"""What a forwarding worker sends to hear whether the owner is alive."""


def ready_message(*, available: bool) -> bytes:
    """What the owner answers to both: whether it can commit."""
    return orjson.dumps((READY, available))


def together_message(number: int, count: int) -> bytes:
    """What comes before the commands of an atomic batch, or before their outcomes."""
    return orjson.dumps((TOGETHER, number, count))


# Commands ------------------------------------------------------------------------------------------------------

_KINDS: tuple[type[Command], ...] = get_args(command_types.Command)
_NUMBER_OF = {kind: number for number, kind in enumerate(_KINDS)}
_NEW = object.__new__
_SETTERS = {kind: tuple(getattr(kind, field.name).__set__ for field in fields(kind)) for kind in _KINDS}
"""What sets the fields of each kind of command. They were checked where the command was made."""
_VALUES: dict[type[Command], Callable[[Command], Any]] = {
    kind: attrgetter("account_id", *(field.name for field in fields(kind)[1:]), "account_id") for kind in _KINDS
}
"""The fields of each kind of command, and its account once more: with fewer than two names, a getter makes no tuple."""


def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _duration(value: int | None) -> timedelta | None:
    return None if value is None else timedelta(microseconds=value)


def _grants(values: list[dict[str, Any]]) -> tuple[GrantCredits, ...]:
    return tuple(map(_grant, values))


def _grant(value: dict[str, Any]) -> GrantCredits:
    value["expires_at"], value["lifetime"] = _moment(value["expires_at"]), _duration(value["lifetime"])
    value["effective_at"] = _moment(value["effective_at"])
    return GrantCredits(**value)


def _limits(value: list[dict[str, Any]]) -> tuple[NewLimit, ...]:
    return tuple([_limit(one) for one in value])


def _limit(value: dict[str, Any]) -> NewLimit:
    for name in ("each", "near"):
        value[name] = tuple(value[name])
    value["only"] = tuple([(dimension, wanted) for dimension, wanted in value["only"]])
    period = value["period"]
    if period is not None:
        value["period"] = TimedPeriod(**period) if "seconds" in period else CalendarPeriod(**period)
    return NewLimit(**value)


def _lots(value: list[list[Any]]) -> MovedLots:
    return tuple(
        MovedLot(name, kind, amount, _moment(end), source, datetime.fromisoformat(granted_at), *origin)
        for name, kind, amount, end, source, granted_at, *origin in value
    )


def _terms(value: list[Any]) -> Terms:
    plan, version, credits, every, billed, unused, *rest = value
    return Terms(
        plan,
        version,
        credits,
        Interval(*every),
        None if billed is None else Interval(*billed),
        None if unused is None else RollOver(*unused),
        *rest,
    )


def _subscription(value: list[Any] | None) -> SubscriptionPayment | None:
    if value is None:
        return None
    name, reason, paid_at, start, end, quantity, terms = value
    moments = datetime.fromisoformat(paid_at), _moment(start), _moment(end)
    return SubscriptionPayment(name, reason, *moments, quantity, None if terms is None else _terms(terms))


def _priced(value: list[Any] | None) -> Priced | None:
    if value is None:
        return None
    if len(value) == len(NoPrice._fields):
        why, book, missing = value
        return NoPrice(why, book, tuple(missing))
    book, digest, credits, exact, fits, lines = value
    return Price(book, digest, credits, exact, FittingRate(*fits), tuple([PriceLine(*line) for line in lines]))


_READERS: dict[str, Callable[[Any], Any]] = {
    "expires_at": _moment,
    "effective_at": _moment,
    "lifetime": _duration,
    "expires_in": _duration,
    "longest_life": _duration,
    "occurred_at": _moment,
    "back_dating": _duration,
    "as_of": _moment,
    "period_start": _moment,
    "period_end": _moment,
    "ends_at": _moment,
    "trial_ends_at": _moment,
    "terms": _terms,
    "subscription": _subscription,
    "grants": _grants,
    "limits": _limits,
    "lots": _lots,
    "price": _priced,
}
"""What reads a field that JSON does not have as it is, by its name."""
_CONVERTED = {
    kind: tuple((index, read) for index, field in enumerate(fields(kind)) if (read := _READERS.get(field.name)))
    for kind in _KINDS
}


_PRICES = Price | NoPrice | PriceLine | FittingRate


def _in_json(value: object) -> Any:
    if isinstance(value, MovedLot | Terms | Interval | RollOver | SubscriptionPayment | _PRICES):
        return tuple(value)
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    raise TypeError(f"a command has a {type(value).__name__}, which no message can have")


def command_message(number: int, submission: Submission) -> bytes:
    """A command as a message; `number` is what its outcome will be known by. Raises TypeError."""
    command, expected = submission.command, submission.expected
    kind = type(command)
    message = (
        number,
        _NUMBER_OF[kind],
        _VALUES[kind](command),
        tuple(submission.metadata),
        submission.fingerprint.hex(),
        expected and (expected.versions,),
        submission.trace,
    )
    return orjson.dumps(message, default=_in_json)


def read_command(message: Message) -> Submission:
    """The command of a message, as a submission that remembers the rows of its events."""
    _, kind, values, metadata, fingerprint, expected, trace = message
    command_type = _KINDS[kind]
    values.pop()
    for index, read in _CONVERTED[command_type]:
        values[index] = read(values[index])
    if expected is not None:
        (versions,) = expected
        expected = ExpectedVersions(None if versions is None else tuple(versions))
    command = _NEW(command_type)
    for set_value, value in zip(_SETTERS[command_type], values, strict=True):
        set_value(command, value)
    submission = Submission(command, Metadata(*metadata), bytes.fromhex(fingerprint), expected)
    submission.rows = []
    submission.trace = trace
    return submission


# Outcomes ------------------------------------------------------------------------------------------------------

_RECORDED, _REFUSED, _FAILED = range(3)
_REFUSALS: dict[str, type[Refusal]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Refusal)
}
_ERRORS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (Overloaded, Unavailable, StorageFull, NoSession)
}


def outcome_message(number: int, submission: Submission, outcome: Outcome) -> bytes:
    """The outcome of a command as a message."""
    if isinstance(outcome, Refusal):
        return orjson.dumps((number, _REFUSED, _refusal_in_json(outcome)), option=orjson.OPT_UTC_Z)
    _, version, position, events, replayed = outcome
    rows = submission.rows
    if rows and events is submission.events:
        states: Sequence[Any] = [(row.topic, orjson.Fragment(cast("bytes", row.state))) for row in rows]
    else:
        states = [
            (topic, orjson.Fragment(state)) for topic, state in (encode(one, submission.metadata) for one in events)
        ]
    return orjson.dumps((number, _RECORDED, version, position, replayed, states))


def error_message(number: int, error: Exception) -> bytes:
    """An error in place of an outcome, as a message."""
    return orjson.dumps((number, _FAILED, type(error).__name__, str(error)))


def read_outcome(account_id: str, message: Message) -> Outcome | Exception:
    """The outcome in a message about a command on an account, or the error that came in its place."""
    try:
        return _outcome(account_id, message)
    except Exception as error:  # it was carried out all the same, so nobody may take it for lost and ask again
        return CommandFailed(f"the outcome of a command cannot be read: {error!r}")


def _outcome(account_id: str, message: Message) -> Outcome | Exception:
    kind = message[1]
    if kind == _RECORDED:
        _, _, version, position, replayed, states = message
        return Recorded(account_id, version, position, tuple([decoded(*state) for state in states]), replayed)
    if kind == _REFUSED:
        return _refusal(message[2])
    _, _, name, text = message
    error = _ERRORS.get(name)
    return CommandFailed(f"{name}: {text}") if error is None else error()


def _refusal_in_json(refusal: Refusal) -> tuple[Any, ...]:
    cause = (refusal.index, _refusal_in_json(refusal.cause)) if isinstance(refusal, BatchRefused) else None
    return type(refusal).__name__, refusal.message, refusal.facts, cause


def _refusal(parts: Sequence[Any]) -> Refusal:
    name, message, facts, cause = parts
    kind = _REFUSALS[name]
    refusal = kind.__new__(kind)
    Refusal.__init__(refusal, message, **facts)
    if isinstance(refusal, BatchRefused):
        refusal.index, refusal.cause = cause[0], _refusal(cause[1])
    return refusal
