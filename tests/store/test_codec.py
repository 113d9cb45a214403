"""Bytes: what was ever stored stays readable, and is written the same way for ever."""

from dataclasses import MISSING, fields, replace
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any, cast, get_args

import orjson
import pytest

from ledger.domain.account import fold
from ledger.domain.events import CreditsDeducted, Event
from ledger.store.records import upcasts
from ledger.store.records.codec import (
    TOPICS,
    Stored,
    decode,
    decode_event,
    decode_snapshot,
    decode_uncounted,
    encode,
    encode_snapshot,
)
from ledger.store.records.mapper import LedgerMapper
from tests.store.samples import METADATA, SAMPLES, WITHOUT_KEY

GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name: str) -> bytes:
    """The bytes of a sample as they were first written. A new sample is written once, and then never again."""
    topic, _, least = name.partition(".")
    file = GOLDEN / f"{topic}.1{'.' + least if least else ''}.json"
    if not file.exists():
        file.write_bytes(encode(SAMPLES[name], METADATA)[1])
        pytest.fail(f"{file.name} was not there; it is now: look at it and commit it")
    return file.read_bytes()


@pytest.mark.parametrize("name", SAMPLES)
def test_golden_bytes(name: str) -> None:
    event = SAMPLES[name]
    topic = name.partition(".")[0]
    assert encode(event, METADATA) == (topic, golden(name))
    assert decode(topic, golden(name)) == (event, METADATA)


def test_every_event_type_has_golden_bytes_of_every_version() -> None:
    kept = {tuple(file.name.split(".")[:2]) for file in GOLDEN.glob("*.json")}
    assert kept == {(topic, str(v)) for topic in TOPICS for v in range(1, upcasts.schema_of(topic) + 1)}


def test_topics_are_short_names() -> None:
    assert all(topic.isidentifier() and topic == kind.__name__ for topic, kind in TOPICS.items())
    assert set(TOPICS.values()) == set(get_args(Event))


@pytest.mark.parametrize("kind", TOPICS.values())
def test_a_field_that_may_be_left_out_has_a_default(kind: type[Any]) -> None:
    for field in fields(kind):
        optional = NoneType in get_args(field.type)
        assert (field.default is not MISSING) == optional, f"{kind.__name__}.{field.name}"


def test_bytes_are_canonical() -> None:
    _, state = encode(SAMPLES["CreditsDeducted"], METADATA)
    assert state == orjson.dumps(orjson.loads(state), option=orjson.OPT_SORT_KEYS)


def test_an_event_without_a_key() -> None:
    event = SAMPLES["CreditsExpired"]
    assert decode(*encode(event, WITHOUT_KEY)) == (event, WITHOUT_KEY)


def test_the_librarys_mapper_contract() -> None:
    mapper = LedgerMapper()
    stored = Stored("user-1", 5, SAMPLES["CreditsDeducted"], METADATA)
    assert mapper.to_domain_event(mapper.to_stored_event(stored)) == stored


def test_what_nobody_has_a_use_for_is_left_out_and_nothing_else() -> None:
    left_out = set()
    for event in SAMPLES.values():
        topic, state = encode(event, METADATA)
        names = [name for name in ("counts", "price") if getattr(event, name, None) is not None]
        left_out.update(names)
        assert decode_event(topic, state) == event
        without: dict[str, Any] = dict.fromkeys(names)
        expected: Event = replace(cast("Any", event), **without)
        assert decode_uncounted(topic, state) == expected
    assert left_out == {"counts", "price"}


def test_unknown_events_are_not_skipped() -> None:
    with pytest.raises(ValueError, match="CreditsConjured"):
        decode("CreditsConjured", b"{}")
    _, state = encode(SAMPLES["CreditsDeducted"], METADATA)
    with pytest.raises(ValueError, match="update the program"):
        decode("CreditsDeducted", state.replace(b'"schema":1', b'"schema":2'))


def _renamed(old: str, new: str, data: dict[str, Any]) -> dict[str, Any]:
    return {new if name == old else name: value for name, value in data.items()}


def test_old_versions_are_upcast_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    event = SAMPLES["CreditsDeducted"]
    assert isinstance(event, CreditsDeducted)
    _, state = encode(event, METADATA)
    oldest = state.replace(b'"task_id"', b'"task"')
    monkeypatch.setattr(upcasts, "SCHEMAS", {"CreditsDeducted": 3})
    renames = {("CreditsDeducted", 1): ("task", "job"), ("CreditsDeducted", 2): ("job", "task_id")}
    steps = {version: partial(_renamed, *names) for version, names in renames.items()}
    monkeypatch.setattr(upcasts, "UPCASTS", steps)
    assert decode("CreditsDeducted", oldest)[0] == event


def test_a_snapshot_is_the_account() -> None:
    opened, granted = SAMPLES["AccountOpened.least"], SAMPLES["CreditsGranted"]
    account = fold((opened, granted))
    assert account is not None
    assert decode_snapshot(encode_snapshot(account)) == account
