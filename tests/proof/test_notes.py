"""Signed notes and checkpoints against the texts of the C2SP specifications, and everything else refused."""

import random
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.checkpoint import Checkpoint, origin_of, read_checkpoint
from ledger.proof.notes import MOST_SIGNATURES, BadNote, SigningKey, VerifyingKey, cosign, open_note, sign, text_of

PETER = VerifyingKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
PETERS_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
"""The example of Go's package sumdb/note, from which the format comes."""

ROOT = bytes(range(32))
CHECKPOINT = Checkpoint(origin_of("0b0e3c5c-7a3c-4b42-8d0c-0d6b2f4a7a11"), 12_345, ROOT)
KEY = SigningKey.generate(CHECKPOINT.origin)
OTHER = SigningKey.generate("example.com/other")
NOTE = sign(CHECKPOINT.text, [KEY])


def test_a_note_of_another_program_is_opened() -> None:
    opened = open_note(PETERS_NOTE, [PETER])
    assert (
        opened.text
        == "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    )
    assert opened.keys == (PETER,)
    assert PETER.text == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_a_known_key_signs_to_the_byte() -> None:
    """Ed25519 has one signature for a text: the same secret as in Go's example gives the same note."""
    secret = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
    key = SigningKey.parse(secret)
    assert key.secret_text == secret
    assert key.verifying_key == PETER
    assert sign(text_of(PETERS_NOTE), [key]) == PETERS_NOTE


def test_a_checkpoint_is_what_the_specification_shows() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    root = b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert read_checkpoint(text) == Checkpoint("example.com/behind-the-sofa", 20_852_163, root)
    assert read_checkpoint(text).text == text


def test_round_trips() -> None:
    assert open_note(NOTE, [KEY.verifying_key]) == (CHECKPOINT.text, (KEY.verifying_key,))
    assert read_checkpoint(CHECKPOINT.text) == CHECKPOINT
    assert VerifyingKey.parse(KEY.verifying_key.text) == KEY.verifying_key
    assert SigningKey.parse(KEY.secret_text) == KEY
    for size in (0, 2**63 - 1):
        assert read_checkpoint(Checkpoint("x", size, ROOT).text).size == size


def test_a_text_may_have_empty_lines() -> None:
    text = "one\n\n— not a signature\n\nthree\n"
    assert open_note(sign(text, [KEY]), [KEY.verifying_key]).text == text


def test_several_signatures_and_unknown_keys() -> None:
    """Sixteen and more are accepted; unknown keys count for nothing; the same signature twice is one."""
    others = [SigningKey.generate(f"other-{number}") for number in range(MOST_SIGNATURES - 2)]
    note = cosign(cosign(sign(CHECKPOINT.text, others), KEY), KEY)
    assert open_note(note, [KEY.verifying_key]).keys == (KEY.verifying_key,)
    assert len(open_note(note, [other.verifying_key for other in others]).keys) == len(others)
    with pytest.raises(BadNote, match="no trusted key has signed it"):
        open_note(note, [OTHER.verifying_key])
    with pytest.raises(BadNote, match="no trusted key"):
        open_note(note, [])
    with pytest.raises(BadNote, match="100 signatures"):
        cosign(note, KEY)
    with pytest.raises(BadNote, match="100 signatures"):
        open_note(note + note.splitlines(keepends=True)[-1], [KEY.verifying_key])


def test_keys_with_the_same_name_or_the_same_id_are_others() -> None:
    namesake = SigningKey.generate(KEY.name)
    both = sign(CHECKPOINT.text, [namesake, KEY])
    assert open_note(both, [KEY.verifying_key]).keys == (KEY.verifying_key,)
    with pytest.raises(BadNote, match="no trusted key"):
        open_note(sign(CHECKPOINT.text, [namesake]), [KEY.verifying_key])
    with pytest.raises(BadNote, match="no trusted key"):  # the id of a known key, under another name
        open_note(NOTE.replace(f"— {KEY.name} ".encode(), "— somebody ".encode()), [KEY.verifying_key])


def test_one_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    stranger = sign("another text\n", [OTHER]).decode().splitlines()[-1]
    spoiled = NOTE + stranger.encode() + b"\n"
    assert open_note(spoiled, [KEY.verifying_key]).keys == (KEY.verifying_key,)
    with pytest.raises(BadNote, match=f"the signature of {OTHER.name} .* does not match the text"):
        open_note(spoiled, [KEY.verifying_key, OTHER.verifying_key])


@given(st.randoms(use_true_random=False), st.integers(0, len(NOTE) - 1), st.integers(0, 7))
def test_any_changed_bit_is_noticed(chance: random.Random, place: int, bit: int) -> None:
    changed = NOTE[:place] + bytes([NOTE[place] ^ 1 << bit]) + NOTE[place + 1 :]
    with pytest.raises(BadNote):
        open_note(changed, [KEY.verifying_key])
    cut = chance.randrange(len(NOTE))
    with pytest.raises(BadNote):
        open_note(NOTE[:cut], [KEY.verifying_key])


def _signature() -> bytes:
    return NOTE.splitlines(keepends=True)[-1]


@pytest.mark.parametrize(
    ("note", "why"),
    [
        (b"", "ends with an empty line"),
        (NOTE[:-1], "ends with an empty line"),
        (NOTE + b"\n", "ends with an empty line|not a signature line"),
        (NOTE.replace(b"\n\n", b"\n"), "ends with an empty line"),
        (NOTE.replace(b"\n", b"\r\n"), "ends with an empty line"),
        (NOTE.replace(b"12345", b"123\t45"), "not contain control characters"),
        (NOTE.replace(b"12345", b"123\x0045"), "not contain control characters"),
        (NOTE.replace(b"12345", b"\xff"), "UTF-8"),
        (NOTE + b"and more\n", "not a signature line"),
        (NOTE.replace("— ".encode(), b"- "), "not a signature line"),
        (NOTE.replace("— ".encode(), "—  ".encode()), "not a signature line"),
        (NOTE + "— name AAAA\n".encode(), "not a signature line"),
        (NOTE + "— name AAAAAAB=\n".encode(), "not a signature line"),
        (NOTE + "— na+me AAAAAAAA\n".encode(), "not a signature line"),
        (NOTE + "— na\u00a0me AAAAAAAA\n".encode(), "not a signature line"),
        (b"x" * 1_000_001, "1,000,000 bytes"),
    ],
)
def test_what_is_not_a_note_is_refused_in_a_sentence(note: bytes, why: str) -> None:
    with pytest.raises(BadNote, match=why):
        open_note(note, [KEY.verifying_key])


def test_only_one_way_to_write_a_signature() -> None:
    """The unused bits at the end of base64 are zero, or the same signature would be in two different files."""
    line = _signature().decode().rstrip("\n")
    _, value = line.removeprefix("— ").split(" ")
    raw = b64decode(value)
    assert len(raw) == 68
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = value.rstrip("=")[-1]
    other = value.replace(last + "=", digits[digits.index(last) ^ 1] + "=")
    assert b64decode(other) == raw
    assert other != value
    with pytest.raises(BadNote, match="not a signature line"):
        open_note(NOTE.replace(value.encode(), other.encode()), [KEY.verifying_key])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n",
        "origin\n1\n",
        CHECKPOINT.text[:-1],
        CHECKPOINT.text + "more\n",
        CHECKPOINT.text + "\n",
        "\n" + CHECKPOINT.text,
        CHECKPOINT.text.replace("12345", "012345"),
        CHECKPOINT.text.replace("12345", "+12345"),
        CHECKPOINT.text.replace("12345", "-1"),
        CHECKPOINT.text.replace("12345", "12_345"),
        CHECKPOINT.text.replace("12345", "١٢٣"),
        CHECKPOINT.text.replace("12345", ""),
        CHECKPOINT.text.replace("12345", str(2**63)),
        CHECKPOINT.text.replace("12345", "9" * 30),
        CHECKPOINT.text.replace("=", ""),
        CHECKPOINT.text.replace("=", "=="),
        CHECKPOINT.text.replace("8=", "9="),
        CHECKPOINT.text.replace("AAEC", "AA-C"),
        CHECKPOINT.text.replace("AAEC", "AA\u0415C"),
        Checkpoint("origin", 1, ROOT[:31]).text,
        Checkpoint("origin", 1, ROOT + b"1").text,
    ],
)
def test_what_is_not_a_checkpoint_is_refused(text: str) -> None:
    assert text != CHECKPOINT.text
    with pytest.raises(BadNote, match="this is not a checkpoint"):
        read_checkpoint(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+c74f20a3",
        PETER.text + " ",
        PETER.text.replace("c74f20a3", "c74f20a4"),
        PETER.text.replace("c74f20a3", "C74F20A3"),
        PETER.text.replace("Peter", "Pietro"),
        PETER.text.replace("Peter", "Pe ter"),
        PETER.text.replace("Peter", "Pe+ter"),
        PETER.text.replace("ARpc", "Abcd"),
        PETER.text.replace("ARpc", "ARp!"),
        PETER.text.replace("+ARpc", "+AQ=="),
        PETER.text.replace("+AR", "+BB"),
        PETER.text + "\n",
    ],
)
def test_what_is_not_a_key_is_refused(text: str) -> None:
    with pytest.raises(BadNote, match=r"is not a verifying key|cannot be the name of a key"):
        VerifyingKey.parse(text)


def test_a_signing_key_does_not_show_itself() -> None:
    secret = KEY.secret_text.split("+", 4)[4]  # base64 may have more of them
    assert secret not in repr(KEY)
    for wrong in (KEY.secret_text + "x", KEY.secret_text.removeprefix("PRIVATE+KEY+"), "PRIVATE+KEY+" + PETER.text, ""):
        with pytest.raises(BadNote) as refused:
            SigningKey.parse(wrong)
        assert str(refused.value) == "this is not a signing key"


def test_only_what_can_be_in_a_note_is_signed() -> None:
    for text in ("no line end", "", "a\x01b\n"):
        with pytest.raises(BadNote):
            sign(text, [KEY])
