"""Sealed texts: nowhere in the database in words, readable with the key of their account, and gone with it."""

import asyncio
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.commit.submission import Outcome, Recorded, Submission
from ledger.domain import commands as c
from ledger.domain.commands import Command, DeductCredits, EraseTexts, GrantCredits, OpenAccount, PlaceHold
from ledger.domain.errors import AccountNotFound, KeyReused
from ledger.domain.texts import Sealed
from ledger.service import Ledger
from ledger.store.records.codec import Metadata
from ledger.store.records.receipts import fingerprint
from ledger.store.records.sealing import masked, new_key, seal, sealed_command, unmasked, unseal
from projections.models.catalog import PROJECTIONS
from tests.projections.moving import projected
from tests.store.asking import balance, open_account, submission

SECRET = "Ada Lovelace, 12 St James's Square"
NUMBERS = st.integers(-(2**63), 2**63 - 1)
SAYINGS = st.text(min_size=1, max_size=500) | st.dictionaries(st.text(), NUMBERS | st.text(), max_size=5)


@given(text=SAYINGS)
def test_only_the_key_of_the_account_opens_a_token(text: Any) -> None:
    key = new_key()
    token = seal(key, "a", text)
    assert unseal(key, "a", token) == text
    assert unseal(key, "b", token) is None, "moved to another account"
    assert unseal(new_key(), "a", token) is None
    assert unseal(None, "a", token) is None
    assert unseal(key, "a", token[:-4]) is None
    assert seal(key, "a", text) != token, "the same text twice is not seen to be the same"


def test_what_was_stored_before_there_were_tokens_is_itself() -> None:
    assert unseal(None, "a", "March") == "March"
    assert unseal(None, "a", {"b": 1}) == {"b": 1}
    assert unseal(None, "a", None) is None


@given(said=st.lists(st.none() | st.text() | NUMBERS, max_size=7), receipt=st.text(max_size=50))
def test_a_fingerprint_comes_back_under_its_mask_and_goes_with_the_key(said: list[Any], receipt: str) -> None:
    key, print_ = new_key(), fingerprint(said)
    stored = masked(print_, key, receipt)
    assert unmasked(stored, key, receipt) == print_
    assert unmasked(stored, new_key(), receipt) is None
    assert unmasked(stored, None, receipt) is None
    assert unmasked(masked(print_, None, receipt), None, receipt) == print_
    assert print_[:16] not in stored


TEXTUAL: list[Command] = [
    OpenAccount("a", 100, {"name": SECRET}, SECRET),
    GrantCredits("a", "permanent", 100, description=SECRET, metadata={"name": SECRET}),
    DeductCredits("a", 5, "t", SECRET, None, {"name": SECRET}),
    PlaceHold("a", 5, timedelta(minutes=5), "t", SECRET),
    c.CaptureHold("a", "hld_5", 2, False),
    c.ReverseDeduction("a", "ded_4", 1, SECRET),
    c.VoidGrant("a", "grt_3", 1, SECRET),
    c.RecordPayment("a", "p", "x", "paid", 1, "eur", None, (GrantCredits("a", "permanent", 9, description=SECRET),)),
    c.UpdateAccount("a", SECRET, {"name": SECRET}, {"plan": "pro"}, SECRET),
    c.ChangeGrantExpiry("a", "grt_2", None, False, SECRET),
    c.FreezeAccount("a", SECRET),
    c.UnfreezeAccount("a", SECRET),
    c.CloseAccount("a", SECRET),
    c.ReopenAccount("a", SECRET),
]


def test_every_text_of_every_command_is_sealed() -> None:
    """Whatever a command has under one of these names, and however deep."""
    for command in TEXTUAL:
        sealed, _ = sealed_command(command, new_key())
        assert SECRET not in repr(sealed)
    named = {name for kind in c.Command.__args__ for name in kind.__dataclass_fields__}
    assert named & {"note", "comment", "text", "message", "title"} == set(), "a new text? seal it"


async def ask(ledger: Ledger, *commands: Command) -> list[Outcome]:
    """Carry out commands, each under a key and with a fingerprint of its own."""
    done = []
    for n, command in enumerate(commands):
        done.append(await ledger.execute(submission(command, type(command).__name__, f"k{n}", (repr(command),))))
        assert isinstance(done[-1], Recorded), done[-1]
    return done


async def test_no_text_is_anywhere_in_the_database(database: str, ledger: Ledger) -> None:
    """Log, receipts, snapshots and projections, every column of every table."""
    await ask(ledger, *TEXTUAL[:-2])
    for n in range(120):  # so that there is a snapshot, with the hold in it
        await ask_deduct(ledger, f"more-{n}", SECRET)
    await ledger._snapshots.write_due()
    await projected(ledger, database)
    found = everything_in(database)
    assert "sealed:" in found["projection_history.entry_rows"]
    assert "sealed:" in found["projection_balances.holds"]
    assert "sealed:" in found["ledger.snapshots"]
    assert [table for table, said in found.items() if "Lovelace" in said] == []


async def ask_deduct(ledger: Ledger, key: str, text: str) -> None:
    if key == "more-0":
        await ask(ledger, GrantCredits("a", "permanent", 1_000))
    done = await ledger.execute(submission(DeductCredits("a", 1, key, text), "deduct", key, (1, key, text)))
    assert isinstance(done, Recorded)


def everything_in(conninfo: str) -> dict[str, str]:
    """All rows of all our tables as text; bytes as the text that they may hold."""
    found = {}
    with psycopg.connect(conninfo) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)'"
        ).fetchall()
        for schema, table in tables:
            rows = connection.execute(f'SELECT * FROM "{schema}"."{table}"'.encode()).fetchall()
            found[f"{schema}.{table}"] = "\n".join(map(_as_text, rows))
    assert {projection.schema for projection in PROJECTIONS} <= {name.partition(".")[0] for name in found}
    return found


def _as_text(row: tuple[Any, ...]) -> str:
    return " ".join(v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in row)


async def test_an_erasure_destroys_the_key_and_nothing_else(each_database: str) -> None:
    async with Ledger(each_database).running() as ledger:
        await ask(ledger, *TEXTUAL[:4])
        before = await balance(ledger, "a")
        async with ledger.log.reader() as reader:
            key = (await reader.text_keys(["a"]))["a"]
            records = await reader.records(0, 2**62, 100)
            token = Sealed(records[-1].state.decode().split('"description":"')[1].split('"')[0])
        assert unseal(key, "a", token) == SECRET
        erased = await ledger.execute(Submission(EraseTexts("a"), Metadata("operator", "erase", None, "e")))
        assert isinstance(erased, Recorded)
        assert type(erased.events[0]).__name__ == "TextsErased"
        async with ledger.log.reader() as reader:
            assert await reader.text_keys(["a"]) == {}
            assert (await reader.records(0, 2**62, 100))[: len(records)] == records, "what is stored stays as it is"
        assert await balance(ledger, "a") == before


async def test_what_is_written_after_an_erasure_has_a_key_of_its_own(each_database: str) -> None:
    """Also by another process, which still remembers the account and its old key."""
    async with Ledger(each_database).running() as one, Ledger(each_database).running() as two:
        await ask(one, *TEXTUAL[:4])
        await two.execute(submission(DeductCredits("a", 1, "two", "seen by two"), "deduct", "two"))
        async with one.log.reader() as reader:
            old = (await reader.text_keys(["a"]))["a"]
        await one.execute(submission(EraseTexts("a"), "erase", None))
        texts = {"two": "after, by two", "one": "after, by one"}
        for ledger, name in ((two, "two"), (one, "one")):
            done = await ledger.execute(
                submission(DeductCredits("a", 1, f"{name}-2", texts[name]), "deduct", f"{name}-2")
            )
            assert isinstance(done, Recorded)
            async with one.log.reader() as reader:
                new = (await reader.text_keys(["a"]))["a"]
            assert new != old
            token = done.events[-1].description  # type: ignore[union-attr]
            assert unseal(new, "a", token) == texts[name]
            assert unseal(old, "a", token) is None


async def test_a_hold_that_outlives_an_erasure_has_no_text_left(ledger: Ledger) -> None:
    await ask(ledger, *TEXTUAL[:4])
    await ledger.execute(submission(EraseTexts("a"), "erase", None))
    done = await ledger.execute(submission(c.CaptureHold("a", "hld_5"), "capture", "c"))
    assert isinstance(done, Recorded)
    assert done.events[-1].description is None  # type: ignore[union-attr]


async def test_text_and_erasure_in_one_batch(each_database: str) -> None:
    """The first text, an erasure and another text, all in flight at once: one key is left, and it opens the last."""
    async with Ledger(each_database).running() as ledger:
        await open_account(ledger, "a", permanent=100)
        said: list[Command] = [
            DeductCredits("a", 1, "1", "first"),
            EraseTexts("a"),
            DeductCredits("a", 1, "2", "second"),
        ]
        asked = [submission(command, "x", f"k{n}") for n, command in enumerate(said)]
        done = await asyncio.gather(*(ledger.execute(each) for each in asked))
        tokens = [one.events[-1] for one in done if isinstance(one, Recorded)]
        assert len(tokens) == 3
        async with ledger.log.reader() as reader:
            key = (await reader.text_keys(["a"]))["a"]
        first, _, second = (getattr(event, "description", None) for event in tokens)
        assert unseal(key, "a", first) is None
        assert unseal(key, "a", second) == "second"
        together = [submission(command, "y", f"k{n}") for n, command in enumerate([*said[1:], *said[:2]])]
        outcomes = await ledger.execute_together(together)
        assert all(isinstance(outcome, Recorded) for outcome in outcomes), outcomes
        async with ledger.log.reader() as reader:
            assert await reader.text_keys(["a"]) == {}


async def test_a_key_that_a_refused_command_would_have_brought_is_not_kept(ledger: Ledger) -> None:
    await open_account(ledger, "a", permanent=1)
    asked: list[Command] = [DeductCredits("a", 2, "1", "too much"), DeductCredits("a", 1, "2", "enough")]
    done = await asyncio.gather(*(ledger.execute(submission(command, "x", f"k{n}")) for n, command in enumerate(asked)))
    assert isinstance(done[1], Recorded)
    async with ledger.log.reader() as reader:
        key = (await reader.text_keys(["a"]))["a"]
    assert unseal(key, "a", done[1].events[0].description) == "enough"  # type: ignore[union-attr]


async def test_repeats_before_and_after_an_erasure(each_database: str) -> None:
    """Before it another text under a used key is refused; after it nobody can tell, and the answer is the original."""
    async with Ledger(each_database).running() as ledger:
        await open_account(ledger, "a", permanent=10)

        def deduction(text: str) -> Submission:
            return submission(DeductCredits("a", 1, "t", text), "deduct", "t", (1, "t", text, None, None))

        first = await ledger.execute(deduction("one"))
        assert isinstance(first, Recorded)
        assert await ledger.execute(deduction("one")) == first._replace(replayed=True)
        refused = await ledger.execute(deduction("two"))
        assert isinstance(refused, KeyReused)
        assert refused.facts["fields"] == ["description"]
        await ledger.execute(submission(EraseTexts("a"), "erase", None))
        for text in ("one", "two"):
            assert await ledger.execute(deduction(text)) == first._replace(replayed=True)
        await ledger.execute(submission(DeductCredits("a", 1, "n", "new key"), "deduct", "n"))
        assert await ledger.execute(deduction("one")) == first._replace(replayed=True)


async def test_nobody_to_erase(ledger: Ledger) -> None:
    assert isinstance(await ledger.execute(submission(EraseTexts("nobody"), "erase", None)), AccountNotFound)


@pytest.mark.parametrize("standing", [c.FreezeAccount("a"), c.CloseAccount("a")])
async def test_a_frozen_or_closed_account_is_erased_too(ledger: Ledger, standing: Command) -> None:
    await ask(ledger, *TEXTUAL[:2], standing)
    assert isinstance(await ledger.execute(submission(EraseTexts("a"), "erase", None)), Recorded)
