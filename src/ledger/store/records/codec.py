"""The codec: events and snapshots to bytes and back. Bytes are canonical JSON: UTF-8, sorted keys, no spaces, UTC.

The stored state of an event is {"data": {...}, "metadata": {...}, "recorded_at": "...", "schema": 1}; fields without a
value are left out. Some events also have a `state_digest`, which proves a snapshot (snapshots.py). Topics are the short
names of the event classes, never import paths. Stored bytes are never serialised again: they are passed on as they were
read.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar, cast, get_args, get_type_hints

import orjson

from ledger.domain import events as event_types
from ledger.domain.account import Account
from ledger.domain.amounts import Balance
from ledger.domain.events import Event
from ledger.domain.holds import Hold, Holds
from ledger.domain.lots import Lots
from ledger.domain.profile import Profile
from ledger.slices import Steps, at_once
from ledger.store.records.coming_values import coming_from_json, coming_to_json
from ledger.store.records.disputed_values import (
    awaits_from_json,
    awaits_to_json,
    disputed_from_json,
    disputed_to_json,
)
from ledger.store.records.lot_values import (
    draws_from_json,
    draws_to_json,
    lot_from_json,
    lots_to_json,
    parts_to_json,
    returns_from_json,
)
from ledger.store.records.price_values import price_from_json, price_to_json
from ledger.store.records.stored_limits import (
    counted_limits_from_json,
    counted_limits_to_json,
    counts_from_json,
    counts_to_json,
    limits_from_json,
    limits_to_json,
    names_from_json,
)
from ledger.store.records.stored_values import Read, number, reader_of, text, time
from ledger.store.records.subscription_values import FROM_JSON as SUBSCRIPTIONS_FROM_JSON
from ledger.store.records.subscription_values import TO_JSON as SUBSCRIPTIONS_TO_JSON
from ledger.store.records.subscription_values import subscriptions_from_json, subscriptions_to_json
from ledger.store.records.upcasts import schema_of, upcast

_OPTIONS = orjson.OPT_UTC_Z
_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z
_STEP = 100
"""The lots or holds of a snapshot that are decoded in one step."""
Value = TypeVar("Value")
SNAPSHOT_TOPIC = "Account/3"
"""The format of snapshots. A change of the format needs a new name; snapshots with other names are ignored."""


class Metadata(NamedTuple):
    """Who sent a command, its operation, and its keys. All events of the command have the same metadata."""

    actor: str
    operation: str
    idempotency_key: str | None
    request_id: str


class Stored(NamedTuple):
    """One event with its metadata, as it is written to the log or read from it."""

    account_id: str
    version: int
    event: Event
    metadata: Metadata


def to_json(value: Any) -> bytes:
    """Canonical JSON. Other objects are encoded as their (name, value) pairs, without those whose value is None."""
    return orjson.dumps(value, default=_fields_of, option=_SORTED)


def _fields_of(value: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: part for name, part in value if part is not None}


# Values in JSON ------------------------------------------------------------------------------------------------


def balance_to_json(balance: Balance) -> dict[str, Any]:
    """A balance, named as in the HTTP contract, without the sums that can be computed from it."""
    result: dict[str, Any] = {
        "held": balance.held,
        "permanent_credits": balance.permanent,
        "subscription_credits": balance.subscription,
    }
    if balance.subscription_expire_at is not None:
        result["subscription_expire_at"] = balance.subscription_expire_at
    return result


def balance_from_json(data: dict[str, Any]) -> Balance:
    expire_at = data.get("subscription_expire_at")
    return Balance(
        number(data["subscription_credits"]),
        number(data["permanent_credits"]),
        number(data["held"]),
        None if expire_at is None else time(expire_at),
    )


# Events --------------------------------------------------------------------------------------------------------

_TO_JSON: dict[str, Callable[[Any], Any]] = {
    "balance": balance_to_json,
    "draws": draws_to_json,
    "from_hold": draws_to_json,
    "from_lots": draws_to_json,
    "returns": parts_to_json,
    "counts": counts_to_json,
    "limits": limits_to_json,
    "price": price_to_json,
    "awaits": awaits_to_json,
    **SUBSCRIPTIONS_TO_JSON,
}
_FROM_JSON: dict[str, Callable[[Any], Any]] = {
    "balance": balance_from_json,
    "draws": draws_from_json,
    "from_hold": draws_from_json,
    "from_lots": draws_from_json,
    "returns": returns_from_json,
    "expires_at": time,
    "previous_expires_at": time,
    "effective_at": time,
    "lots_expire_at": time,
    "counts": counts_from_json,
    "limits": limits_from_json,
    "kept": names_from_json,
    "granted_at": time,
    "occurred_at": time,
    "awaits": awaits_from_json,
    "price": price_from_json,
    "grant_ids": lambda names: tuple(map(text, names)),
    **SUBSCRIPTIONS_FROM_JSON,
}

TOPICS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(event_types.Event)}


class _Fields(NamedTuple):
    """The fields of a type of events, without the time: their names, what converts each to JSON, and all values."""

    names: tuple[str, ...]
    convert: tuple[Callable[[Any], Any] | None, ...]
    values_of: Callable[[Event], tuple[Any, ...]]


def _fields_of_type(kind: type[Event]) -> _Fields:
    """The fields, sorted by name, so that only JSON written by callers must be sorted when it is encoded."""
    names = tuple(sorted({field.name for field in fields(kind)} - {"recorded_at"}))
    pick: Callable[[Event], Any] = attrgetter(*names)
    values_of = pick if len(names) > 1 else lambda event: (pick(event),)
    return _Fields(names, tuple(map(_TO_JSON.get, names)), values_of)


_FIELDS = {kind: _fields_of_type(kind) for kind in TOPICS.values()}
_READERS = {
    topic: {
        name: _FROM_JSON.get(name) or reader_of(hint)
        for name, hint in get_type_hints(kind_).items()
        if name != "recorded_at"
    }
    for topic, kind_ in TOPICS.items()
}
"""What reads the fields of each type. A name that an event does not have raises KeyError."""
_LEFT_OUT = frozenset({"counts", "price"})
_UNCOUNTED: dict[str, dict[str, Read]] = {
    topic: {name: (lambda _: None) if name in _LEFT_OUT else reader for name, reader in readers.items()}
    for topic, readers in _READERS.items()
}


def encode(event: Event, metadata: Metadata, digest: str | None = None) -> tuple[str, bytes]:
    """The topic and the state bytes of an event. `digest` is that of the account's state after it, if it has one."""
    data = {}
    kind = type(event)
    names, converters, values_of = _FIELDS[kind]
    for name, convert, value in zip(names, converters, values_of(event), strict=True):
        if value is not None:
            data[name] = value if convert is None else convert(value)
    state = {
        "data": data,
        "metadata": {
            "actor": metadata.actor,
            "idempotency_key": metadata.idempotency_key,
            "operation": metadata.operation,
            "request_id": metadata.request_id,
        },
        "recorded_at": event.recorded_at,
        "schema": schema_of(kind.__name__),
    }
    if digest is not None:
        state["state_digest"] = digest
    free = "metadata" in data or "usage" in data
    return kind.__name__, orjson.dumps(state, option=_SORTED if free else _OPTIONS)


def decode(topic: str, state: bytes) -> tuple[Event, Metadata]:
    """Decode an event and its metadata. Raises ValueError for a topic or version that this program does not know."""
    stored = orjson.loads(state)
    return decoded(topic, stored), _metadata(stored)


def decode_event(topic: str, state: bytes) -> Event:
    """Decode an event without its metadata. Raises ValueError as `decode` does."""
    return decoded(topic, orjson.loads(state))


def decode_uncounted(topic: str, state: bytes) -> Event:
    """The same without its counts of limits and its price, for whoever has no use for them.

    Counts would take a quarter of the time, and a price two fifths. What is left out is not checked.
    """
    return decoded(topic, orjson.loads(state), _UNCOUNTED)


def decode_exactly(topic: str, state: bytes) -> tuple[Event, Metadata]:
    """Decode for auditors: raises ValueError also for bytes that are not canonical JSON."""
    stored = orjson.loads(state)
    if orjson.dumps(stored, option=orjson.OPT_SORT_KEYS) != state:
        raise ValueError("its bytes are not canonical JSON")
    return decoded(topic, stored), _metadata(stored)


def decoded(topic: str, stored: dict[str, Any], all_readers: Mapping[str, Mapping[str, Read]] = _READERS) -> Event:
    """The event whose state was read from JSON. The caller must not use `stored` again. Raises as `decode` does."""
    event_type = TOPICS.get(topic)
    if event_type is None:
        raise ValueError(f"the log has an event of type {topic!r}, which this program does not know")
    data = upcast(topic, stored["schema"], stored["data"])
    if type(data) is not dict:
        raise TypeError("its data is no JSON object")
    readers = all_readers[topic]
    for name, value in data.items():
        read = readers[name]
        if read is not text or type(value) is not str:  # most are texts, and each event has several
            data[name] = read(value)  # nobody else has it: it was read from JSON just now
    return cast("Callable[..., Event]", event_type)(recorded_at=time(stored["recorded_at"]), **data)


def _metadata(stored: dict[str, Any]) -> Metadata:
    found = Metadata(**stored["metadata"])
    for part in found:
        if part is not None and type(part) is not str:
            raise TypeError(f"{part!r:.64} in its metadata is not a text")
    return found


# Snapshots -----------------------------------------------------------------------------------------------------


def encode_snapshot(account: Account) -> bytes:
    """Encode the state of an account."""
    return at_once(snapshot_encoding(account))


def decode_snapshot(state: bytes) -> Account:
    """Decode the state of an account."""
    return at_once(snapshot_decoding(state))


def snapshot_encoding(account: Account) -> Steps[bytes]:
    """The steps of `encode_snapshot`: ten thousand holds take long."""
    holds, lots = [], []
    for run in account.holds.runs:
        holds.append(orjson.dumps([_hold_to_json(hold) for hold in run], option=_OPTIONS)[1:-1])
        yield
    for lot_run in account.lots.runs:
        lots.append(orjson.dumps(lots_to_json(lot_run), option=_OPTIONS)[1:-1])
        yield
    first_fields: dict[str, Any] = {"account_id": account.account_id, "balance": balance_to_json(account.balance)}
    if account.coming:
        first_fields["coming"] = coming_to_json(account.coming)
    if account.disputed:
        first_fields["disputed"] = disputed_to_json(account.disputed, draws_to_json)
    last_fields: dict[str, Any] = {
        "profile": account.profile._asdict(),
        "recorded_at": account.recorded_at,
        "standing": account.standing,
        "successor": account.successor,
        "version": account.version,
    }
    if account.subscriptions:
        last_fields["subscriptions"] = subscriptions_to_json(account.subscriptions)
    first, last = orjson.dumps(first_fields, option=_OPTIONS)[:-1], orjson.dumps(last_fields, option=_SORTED)[1:]
    limits = b""
    if account.limits is not None:
        limits = b'"limits":%b,' % orjson.dumps((yield from counted_limits_to_json(account.limits)), option=_OPTIONS)
        yield
    return b"".join((first, b',"holds":[', b",".join(holds), b"],", limits, b'"lots":[', b",".join(lots), b"],", last))


def snapshot_decoding(state: bytes) -> Steps[Account]:
    """The steps of `decode_snapshot`."""
    data = orjson.loads(state)
    yield
    lots = yield from _converted(lot_from_json, data["lots"])
    holds = yield from _converted(_hold, data["holds"])
    return Account(
        data["account_id"],
        data["version"],
        time(data["recorded_at"]),
        data["standing"],
        balance_from_json(data["balance"]),
        Lots.of(lots),
        Holds.of(holds),
        counted_limits_from_json(data.get("limits", [])),
        Profile(**data["profile"]),
        data["successor"],
        coming_from_json(data.get("coming", ())),
        disputed_from_json(data.get("disputed", ()), draws_from_json),
        subscriptions_from_json(data.get("subscriptions", ())),
    )


def _converted(convert: Callable[[dict[str, Any]], Value], parts: list[dict[str, Any]]) -> Steps[list[Value]]:
    values: list[Value] = []
    for start in range(0, len(parts), _STEP):
        values += map(convert, parts[start : start + _STEP])
        yield
    return values


def _hold_to_json(hold: Hold) -> dict[str, Any]:
    fields: dict[str, Any] = {  # the names are sorted here: sorting them takes as long as the rest
        "closed_grants": sorted(hold.closed_grants),
        **({} if hold.counts is None else {"counts": counts_to_json(hold.counts)}),
        "description": hold.description,
        "draws": draws_to_json(hold.draws),
        "expires_at": hold.expires_at,
        "hold_id": hold.hold_id,
        "placed_at": hold.placed_at,
        "task_id": hold.task_id,
    }
    if hold.usage is not None:
        fields["usage"] = dict(sorted(hold.usage.items()))
    return fields


def _hold(data: dict[str, Any]) -> Hold:
    return Hold(
        data["hold_id"],
        draws_from_json(data["draws"]),
        time(data["expires_at"]),
        time(data["placed_at"]),
        data["task_id"],
        data["description"],
        frozenset(data["closed_grants"]),
        data.get("usage"),
        counts_from_json(data["counts"]) if "counts" in data else None,
    )
