"""Rotated keys and abandoned checkpoints: which keys an auditor may trust, and for which sizes."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.notes import BadNote, SigningKey, sign, text_of
from ledger.proof.notices import Abandonment, Notice, Rotation, Trusted, open_checkpoint, read_notice, trusted_keys
from ledger.proof.trusted_checkpoints import own_keys, read_trusted_checkpoints

ORIGIN = "credit-ledger/0b0e3c5c-7a3c-4b42-8d0c-0d6b2f4a7a11"
AT = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
ROOT = bytes(range(32))
OLD = Path(__file__).parents[1] / "migrations/database-0.1/data/checkpoints"
"""The checkpoints of a ledger of version 0.1, with a notice that calls them forsaken."""
A, B, C, STRANGER = (SigningKey.generate(ORIGIN) for _ in range(4))


def rotation(number: int, size: int, old: SigningKey, new: SigningKey) -> bytes:
    return sign(Rotation(number, AT, size, old.verifying_key, new.verifying_key).text, [old, new])


def replacement(number: int, size: int, old: SigningKey, new: SigningKey) -> bytes:
    return sign(Rotation(number, AT, size, old.verifying_key, new.verifying_key, old_lost=True).text, [new])


def abandonment(number: int, beyond: int, newest: int, key: SigningKey) -> bytes:
    return sign(Abandonment(number, AT, beyond, Checkpoint(ORIGIN, newest, ROOT), "restored").text, [key])


def trusted(first: SigningKey, *notices: bytes) -> list[tuple[SigningKey, int, int | None]]:
    names = {key.verifying_key: key for key in (A, B, C)}
    return [(names[key], low, high) for key, low, high in trusted_keys(first.verifying_key, notices)]


@pytest.mark.parametrize(
    "notice",
    [
        Rotation(1, AT, 0, A.verifying_key, B.verifying_key),
        Rotation(999_999, AT, 2**63 - 1, A.verifying_key, B.verifying_key, old_lost=True),
        Abandonment(2, AT, 0, Checkpoint(ORIGIN, 12, ROOT), "reason of several words, naïve ones"),
    ],
)
def test_a_notice_is_read_to_the_byte(notice: Notice) -> None:
    assert read_notice(notice.text) == notice
    changed = [notice.text + "\n", notice.text[:-1], notice.text.replace("notice ", "notice 0"), ""]
    changed += [notice.text.replace("12:30:15Z", "12:30:15+00:00"), notice.text.replace("2026-03", "2026-13")]
    for text in changed:
        with pytest.raises(BadNote, match="this is not a notice"):
            read_notice(text)


def test_a_checkpoint_is_no_notice_and_a_notice_no_checkpoint() -> None:
    with pytest.raises(BadNote, match="not a notice"):
        read_notice(Checkpoint(ORIGIN, 1, ROOT).text)
    with pytest.raises(BadNote, match="not a checkpoint"):
        open_checkpoint(rotation(1, 5, A, B), [Trusted(A.verifying_key, 0, None)])


def test_from_the_first_key_to_the_newest() -> None:
    assert trusted(A) == [(A, 0, None)]
    notices = rotation(1, 100, A, B), rotation(2, 100, B, C)
    assert trusted(A, *notices) == [(A, 0, 100), (B, 100, 100), (C, 100, None)]
    assert trusted(B, *notices) == [(B, 100, 100), (C, 100, None)]
    assert trusted(C, *notices) == [(C, 100, None)]


def test_abandoned_sizes_are_signed_again_by_the_key_in_use() -> None:
    notices = [rotation(1, 100, A, B), rotation(2, 200, B, C), abandonment(3, 150, 250, C)]
    assert trusted(A, *notices) == [(A, 0, 100), (B, 100, 150), (C, 150, None)]
    notices.append(abandonment(4, 50, 160, C))
    assert trusted(A, *notices) == [(A, 0, 50), (C, 50, None)]
    assert trusted(C, *notices) == [(C, 50, None)]
    assert trusted(A, abandonment(1, 50, 160, A), rotation(2, 60, A, B)) == [(A, 0, 60), (B, 60, None)]
    assert trusted(B, abandonment(1, 50, 160, A), rotation(2, 60, A, B)) == [(B, 60, None)]


def test_nobody_has_to_believe_a_key_that_replaced_a_lost_one() -> None:
    notices = rotation(1, 10, A, B), replacement(2, 20, B, C)
    assert trusted(A, *notices) == [(A, 0, 10), (B, 10, None)]
    assert trusted(C, *notices) == [(C, 20, None)]


@pytest.mark.parametrize(
    ("notices", "why"),
    [
        ([rotation(2, 100, A, B)], "notice 1 is missing: there is notice 2"),
        ([rotation(1, 100, A, B), rotation(3, 100, B, C)], "notice 2 is missing: there is notice 3"),
        ([rotation(1, 100, B, C)], "notice 1 is not about the key"),
        ([sign(read_notice(rotation(1, 1, A, B).decode().split("\n\n")[0] + "\n").text, [A])], "not signed by both"),
        ([sign(read_notice(rotation(1, 1, A, B).decode().split("\n\n")[0] + "\n").text, [B])], "not signed by both"),
        ([sign(read_notice(rotation(1, 1, A, B).decode().split("\n\n")[0] + "\n").text, [STRANGER])], "no trusted key"),
        ([abandonment(1, 5, 10, STRANGER)], "no trusted key"),
        ([abandonment(1, 5, 10, A).replace(b"beyond 5", b"beyond 4")], "does not match the text"),
        ([sign(Checkpoint(ORIGIN, 1, ROOT).text, [A])], "not a notice"),
    ],
)
def test_a_wrong_chain_of_notices_is_refused(notices: list[bytes], why: str) -> None:
    with pytest.raises(BadNote, match=why):
        trusted_keys(A.verifying_key, notices)


def test_a_key_signs_for_its_time_alone() -> None:
    keys = trusted_keys(A.verifying_key, [rotation(1, 100, A, B)])
    for key, size in [(A, 1), (A, 100), (B, 100), (B, 101)]:
        assert open_checkpoint(sign(Checkpoint(ORIGIN, size, ROOT).text, [key]), keys).size == size
    for key, size in [(A, 101), (B, 99)]:
        with pytest.raises(BadNote, match=f"not in use for a checkpoint of size {size}"):
            open_checkpoint(sign(Checkpoint(ORIGIN, size, ROOT).text, [key]), keys)
    assert open_checkpoint(sign(Checkpoint(ORIGIN, 99, ROOT).text, [B, A]), keys).size == 99
    with pytest.raises(BadNote, match="of another ledger"):
        open_checkpoint(sign(Checkpoint("credit-ledger/another", 5, ROOT).text, [A]), keys)
    with pytest.raises(BadNote, match="no trusted key"):
        open_checkpoint(sign(Checkpoint(ORIGIN, 5, ROOT).text, [STRANGER]), keys)


def test_the_notice_of_an_older_program_is_read_and_verified() -> None:
    [ledger] = OLD.iterdir()
    folder = CheckpointFolder(OLD, ledger.name)
    text = text_of(folder.notices()[0])
    assert "\ncheckpoints forsaken\n" in text
    notice = read_notice(text)
    assert isinstance(notice, Abandonment)
    assert (notice.beyond, notice.newest.size, notice.text) == (988, 990, text)
    found = read_trusted_checkpoints(folder, own_keys(folder))
    assert 990 not in [one.size for one in found.checkpoints]
    assert found.passed_over == 0


def test_a_new_notice_has_the_words_that_an_older_program_reads() -> None:
    assert "\ncheckpoints forsaken\n" in text_of(abandonment(1, 5, 10, A))
