"""Signed notes in the format of C2SP (signed-note, Ed25519): a text that people can read, and signature lines.

A text is trustworthy only after `open_note` has verified the signature of a key that the reader trusts. It ignores the
signatures of other keys; an invalid signature of a trusted key makes the whole note invalid.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LARGEST_NOTE = 1_000_000
"""The size of the largest note, in bytes."""
MOST_SIGNATURES = 100
LARGEST_KEY = 10_000
"""The size of the largest file with a key, in bytes."""

_ED25519 = b"\x01"
_KEY_SIZE, _SIGNATURE_SIZE = 32, 64
_PRIVATE = "PRIVATE+KEY+"
_KEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+(\S+)")
_SIGNATURE = re.compile(r"— (\S+) (\S+)")


class BadNote(Exception):
    """A note, a checkpoint or a key, or the file of one, is invalid; the message says why in a sentence."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """The public key that verifies signatures."""

    name: str
    public: bytes
    """32 bytes, as RFC 8032 defines them."""

    def __post_init__(self) -> None:
        """Raises BadNote for a name that a note cannot have, or for bytes that are not a key."""
        if not _is_name(self.name):
            raise BadNote(f"{self.name!r} cannot be the name of a key: it is empty, or has a space or a plus in it")
        if len(self.public) != _KEY_SIZE:
            raise BadNote(f"a verifying key has {_KEY_SIZE} bytes, not {len(self.public)}")

    @property
    def key_id(self) -> bytes:
        """4 bytes that distinguish the key from other keys of the same name."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The key as one word that can be given to auditors: name+id+key."""
        return f"{self.name}+{self.key_id.hex()}+{_as_base64(_ED25519 + self.public)}"

    @staticmethod
    def parse(text: str) -> "VerifyingKey":
        """The key in a word. Raises BadNote."""
        key = VerifyingKey(*_parts_of_key(text, "verifying key"))
        if key.text != text:
            raise BadNote(f"{_short(text)} is not a verifying key: its id is not that of the key in it")
        return key

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether `signature` is the signature of this key for a text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The secret key that signs. Its repr does not show the secret."""

    name: str
    _secret: bytes = field(repr=False)

    @staticmethod
    def generate(name: str) -> "SigningKey":
        """Make a new key."""
        return SigningKey(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @staticmethod
    def parse(text: str) -> "SigningKey":
        """The key in a word made by `secret_text`. Raises BadNote, whose message does not show the secret."""
        word = text.removeprefix(_PRIVATE)
        try:
            key = SigningKey(*_parts_of_key(word, "signing key"))
        except BadNote as problem:
            raise BadNote("this is not a signing key") from problem.__cause__
        if word == text or key.secret_text != text:
            raise BadNote("this is not a signing key")
        return key

    @property
    def secret_text(self) -> str:
        """The key as one word, for the file that stores it."""
        verifying = self.verifying_key
        return f"{_PRIVATE}{self.name}+{verifying.key_id.hex()}+{_as_base64(_ED25519 + self._secret)}"

    @property
    def verifying_key(self) -> VerifyingKey:
        """The public half of the key."""
        return VerifyingKey(self.name, self._private().public_key().public_bytes_raw())

    def signature(self, text: str) -> str:
        """The signature line for a text, without its line end."""
        key_id = self.verifying_key.key_id
        return f"— {self.name} {_as_base64(key_id + self._private().sign(text.encode()))}"

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._secret)


class Opened(NamedTuple):
    """A text with a valid signature, and the trusted keys that signed it."""

    text: str
    keys: tuple[VerifyingKey, ...]


def sign(text: str, keys: Sequence[SigningKey]) -> bytes:
    """The note of a text, signed by `keys`. Raises BadNote for a text that a note cannot contain."""
    _check_text(text)
    return _note(text, [key.signature(text) for key in keys])


def cosign(note: bytes, key: SigningKey) -> bytes:
    """The note with one more signature. Raises BadNote."""
    text, lines = _split(note)
    return _note(text, [*lines, key.signature(text)])


def open_note(note: bytes, trusted: Iterable[VerifyingKey]) -> Opened:
    """The text of a note that at least one trusted key has signed. Raises BadNote.

    It ignores keys that are not trusted, even those with the name or the id of a trusted key.
    """
    known = {(key.name, key.key_id): key for key in trusted}
    text, lines = _split(note)
    found: dict[VerifyingKey, None] = {}
    for line in lines:
        name, key_id, signature = _signature(line)
        key = known.get((name, key_id))
        if key is None:
            continue
        if not key.verifies(text, signature):
            raise BadNote(f"the signature of {name} (key {key_id.hex()}) does not match the text")
        found[key] = None
    if not found:
        raise BadNote("no trusted key has signed it")
    return Opened(text, tuple(found))


def text_of(note: bytes) -> str:
    """The text of a note whose signatures were not verified: it is not trustworthy. Raises BadNote."""
    return _split(note)[0]


def _split(note: bytes) -> tuple[str, list[str]]:
    """The text and the signature lines. Raises BadNote."""
    if len(note) > LARGEST_NOTE:
        raise BadNote(f"a note has at most {LARGEST_NOTE:,} bytes, and this one has {len(note):,}")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise BadNote("a note is text in UTF-8, and this is not") from None
    text, blank, signatures = whole.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise BadNote("a note ends with an empty line and then lines with signatures, and this one does not")
    text += "\n"
    _check_text(text)
    lines = signatures[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise BadNote(f"a note has at most {MOST_SIGNATURES} signatures, and this one has {len(lines)}")
    for line in lines:
        _signature(line)
    return text, lines


def _signature(line: str) -> tuple[str, bytes, bytes]:
    """Name, key id and signature of a line. Raises BadNote."""
    found = _SIGNATURE.fullmatch(line)
    value = _from_base64(found[2]) if found else None
    if found is None or value is None or not _is_name(found[1]) or len(value) <= 4:
        raise BadNote(f"this is not a signature line: {_short(line)}")
    return found[1], value[:4], value[4:]


def _note(text: str, lines: Sequence[str]) -> bytes:
    assert lines, "a note needs a signature"
    note = "\n".join([text, *lines, ""]).encode()
    if len(note) > LARGEST_NOTE or len(lines) > MOST_SIGNATURES:
        raise BadNote(f"a note has at most {LARGEST_NOTE:,} bytes and {MOST_SIGNATURES} signatures")
    return note


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise BadNote("the text of a note ends with a line end")
    if any(character < " " and character != "\n" for character in text):
        raise BadNote("a note may not contain control characters, except line ends")


def _parts_of_key(text: str, noun: str) -> tuple[str, bytes]:
    """The name and the bytes of a key in a word. Raises BadNote."""
    found = _KEY.fullmatch(text)
    value = _from_base64(found[3]) if found else None
    if found is None or value is None or value[:1] != _ED25519 or len(value) != 1 + _KEY_SIZE:
        raise BadNote(f"{_short(text)} is not a {noun} for Ed25519: name+id+key")
    return found[1], value[1:]


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() or c < " " for c in name)


def _as_base64(value: bytes) -> str:
    return b64encode(value).decode()


def _from_base64(text: str) -> bytes | None:
    """The bytes of a base64 text; None unless it is in the one form that `_as_base64` writes."""
    try:
        value = b64decode(text, validate=True)
    except (NotBase64, ValueError):
        return None
    return value if _as_base64(value) == text else None


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:100] + "...")
