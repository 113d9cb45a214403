"""Unseals the texts of rows and events for readers. Only code that makes an answer calls it.

A text whose key was destroyed becomes None. Rows without tokens need no query for keys.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, NamedTuple, NotRequired, TypeVar

import orjson
from pydantic import Field
from typing_extensions import TypedDict

from ledger.domain.account import Account
from ledger.domain.events import Event
from ledger.domain.profile import Profile
from ledger.domain.texts import SEALED
from ledger.store.feed import Logged
from ledger.store.log import EventLog
from ledger.store.reader import Reader, StoredRow
from ledger.store.records.codec import decode_event
from ledger.store.records.sealing import unseal, unseal_all

_TEXTS = ("description", "metadata", "reason")
_TOKEN = f'"{SEALED}'.encode()


class _Described(TypedDict):
    description: str | None


DescribedT = TypeVar("DescribedT", bound=_Described)


async def with_descriptions(log: EventLog, account_id: str, rows: Sequence[DescribedT]) -> list[DescribedT]:
    """Answers of one account, whose descriptions are unsealed in place; None where the key was destroyed."""
    sealed = [row for row in rows if (text := row["description"]) is not None and text.startswith(SEALED)]
    if sealed:
        key = await log.text_keys.of(account_id)
        texts = unseal_all(key, account_id, [row["description"] for row in sealed])
        for row, text in zip(sealed, texts, strict=True):
            row["description"] = text
    return list(rows)


class ReadableState(TypedDict):
    """The stored state of an event, with unsealed texts."""

    data: dict[str, Any]
    metadata: dict[str, Any]
    recorded_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    schema: Annotated[int, Field(description="the version of the event's shape")]
    state_digest: NotRequired[Annotated[str, Field(description="the SHA-256 of the account's encoded state after it")]]
    erased: NotRequired[Annotated[list[str], Field(description="texts of `data` that were erased")]]


async def readable_data(log: EventLog, rows: Sequence[StoredRow]) -> list[ReadableState]:
    """The states of some events as parsed JSON, with unsealed texts; `erased` names the texts whose key is gone."""
    keys = await _keys(log, {row.account_id for row in rows if _TOKEN in row.state})
    return [_readable(row, keys.get(row.account_id)) for row in rows]


def _readable(row: StoredRow, key: bytes | None) -> ReadableState:
    state: ReadableState = orjson.loads(row.state)
    data = state["data"]
    erased = []
    for name in _TEXTS:
        if name in data:
            data[name] = unseal(key, row.account_id, data[name])
            if data[name] is None:
                erased.append(name)
                del data[name]
    if erased:
        state["erased"] = erased
    return state


class ProfileTexts(NamedTuple):
    """What the state of an account leaves to its events: two times, and two texts, None where there is none."""

    opened_at: datetime
    last_activity_at: datetime
    description: str | None
    metadata: dict[str, Any] | None


async def profile_texts(log: EventLog, account: Account, newest: int) -> ProfileTexts:
    """Read the texts of an account, whose newest event has the version `newest`, from at most four of its events."""
    texts, events = await _profile(log, account.account_id, account.profile, {1, newest})
    return ProfileTexts(events[1].recorded_at, events[newest].recorded_at, *texts)


async def stated_texts(log: EventLog, account_id: str, profile: Profile) -> tuple[str | None, dict[str, Any] | None]:
    """The description and the metadata of a profile, from at most two events; None where there is none."""
    (description, metadata), _ = await _profile(log, account_id, profile, set())
    return description, metadata


async def texts_in(
    reader: Reader, account_id: str, profile: Profile, events: Mapping[int, Event]
) -> tuple[str | None, dict[str, Any] | None]:
    """The same from events that were read already, by their versions."""
    sealed = _sealed_texts(profile, events)
    keys = await reader.text_keys([account_id]) if any(sealed) else {}
    description, metadata = unseal_all(keys.get(account_id), account_id, sealed)
    return description, metadata


async def _profile(
    log: EventLog, account_id: str, profile: Profile, more: set[int]
) -> tuple[list[Any], dict[int, Event]]:
    """The two texts of a profile, and the events that have them, with `more` of them by their versions."""
    events: dict[int, Event] = {}
    async with log.reader() as reader:
        for version in more | text_versions(profile):
            (row,) = await reader.stream(account_id, version - 1, 1)
            events[version] = decode_event(row.topic, row.state)
    sealed = _sealed_texts(profile, events)
    key = await log.text_keys.of(account_id) if any(sealed) else None
    return unseal_all(key, account_id, sealed), events


def text_versions(profile: Profile) -> set[int]:
    """The versions of the events that have the texts of a profile."""
    return {profile.description_version, profile.metadata_version} - {0}


def _sealed_texts(profile: Profile, events: Mapping[int, Event]) -> list[Any]:
    """The description and the metadata of a profile as its events have them, in that order."""
    places = (profile.description_version, "description"), (profile.metadata_version, "metadata")
    return [getattr(events.get(version), name, None) for version, name in places]


async def readable_events(log: EventLog, events: Sequence[Logged]) -> list[Logged]:
    """Events with unsealed descriptions and reasons; None where the key was destroyed."""
    tokens = [_tokens(one) for one in events]
    keys = await _keys(log, {one.account_id for one, found in zip(events, tokens, strict=True) if found})
    return [
        _unsealed(one, found, keys.get(one.account_id)) if found else one
        for one, found in zip(events, tokens, strict=True)
    ]


def _tokens(logged: Logged) -> dict[str, str]:
    texts = {name: getattr(logged.event, name, None) or "" for name in ("description", "reason")}
    return {name: text for name, text in texts.items() if text.startswith(SEALED)}


def _unsealed(logged: Logged, tokens: dict[str, str], key: bytes | None) -> Logged:
    texts: dict[str, Any] = {name: unseal(key, logged.account_id, token) for name, token in tokens.items()}
    return logged._replace(event=replace(logged.event, **texts))


async def _keys(log: EventLog, accounts: Collection[str]) -> dict[str, bytes]:
    if not accounts:
        return {}
    async with log.reader() as reader:
        return await reader.text_keys(accounts)
