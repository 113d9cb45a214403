"""Sealing: texts become tokens that only the key of their account opens. Destroying the key erases them everywhere.

AES-256-GCM with a random nonce; the account is authenticated, so no token can be moved to another account. A token is
"sealed:" and the base64 of nonce and ciphertext. Keys are in ledger.text_keys, one for each account that has texts.
"""

import secrets
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any, TypeVar

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.commands import (
    CloseAccount,
    Command,
    DeductCredits,
    FreezeAccount,
    GrantCredits,
    OpenAccount,
    PlaceHold,
    RecordPayment,
    ReverseDeduction,
    UnfreezeAccount,
    VoidGrant,
)
from ledger.domain.texts import SEALED, JsonObject, Sealed

Key = bytes
C = TypeVar("C", bound=Command)
_NONCE = 12
_TEXTS: Mapping[type, tuple[str, ...]] = {
    OpenAccount: ("metadata",),
    GrantCredits: ("description", "metadata"),
    DeductCredits: ("description", "metadata"),
    PlaceHold: ("description",),
    ReverseDeduction: ("reason",),
    VoidGrant: ("reason",),
    FreezeAccount: ("reason",),
    UnfreezeAccount: ("reason",),
    CloseAccount: ("reason",),
}
"""The texts of each command; a payment has those of its grant."""


def new_key() -> Key:
    """A key for an account that has none."""
    return secrets.token_bytes(32)


def seal(key: Key, account_id: str, text: str | JsonObject) -> Sealed:
    """The token of a text."""
    nonce = secrets.token_bytes(_NONCE)
    sealed = AESGCM(key).encrypt(nonce, orjson.dumps(text, option=orjson.OPT_SORT_KEYS), account_id.encode())
    return Sealed(SEALED + b64encode(nonce + sealed).decode())


def unseal(key: Key | None, account_id: str, said: Any) -> Any:
    """The text behind a token; None when its key is gone. What was stored before there were tokens is itself."""
    if not isinstance(said, str) or not said.startswith(SEALED):
        return said
    if key is None:
        return None
    try:
        token = b64decode(said[len(SEALED) :], validate=True)
        return orjson.loads(AESGCM(key).decrypt(token[:_NONCE], token[_NONCE:], account_id.encode()))
    except (InvalidTag, Base64Error, ValueError):  # of a key that was destroyed; a changed token breaks the chain
        return None


def sealed_command(command: C, key: Key | None) -> tuple[C, Key | None]:
    """A command with tokens in the place of its texts, and the key that they are sealed with: that of its account, or a
    new one if it has none, or None when there are no texts."""
    if isinstance(command, RecordPayment) and command.grant is not None:
        grant, key = sealed_command(command.grant, key)
        return replace(command, grant=grant), key
    texts = {name: said for name in _TEXTS.get(type(command), ()) if (said := getattr(command, name)) is not None}
    if not texts:
        return command, None
    key = key or new_key()
    tokens = {name: seal(key, command.account_id, said) for name, said in texts.items()}
    change: Callable[..., C] = replace
    return change(command, **tokens), key


# Fingerprints --------------------------------------------------------------------------------------------------

_MARK = 5
"""Bytes at the end of a masked fingerprint that tell its key; plain ones are as long as a multiple of four."""


def masked(fingerprint: bytes, key: Key | None, receipt: str) -> bytes:
    """A fingerprint as it is stored: what was said can be guessed from it, so it goes with the key as the texts do."""
    return fingerprint if key is None else _masked(fingerprint, key, receipt) + _mark(key)


def unmasked(stored: bytes, key: Key | None, receipt: str) -> bytes | None:
    """The fingerprint that was stored; None when its key is gone."""
    if len(stored) % 4 == 0:
        return stored
    if key is None or stored[-_MARK:] != _mark(key):
        return None
    return _masked(stored[:-_MARK], key, receipt)


def _mark(key: Key) -> bytes:
    return blake2b(digest_size=_MARK, key=key, person=b"mark").digest()


def _masked(fingerprint: bytes, key: Key, receipt: str) -> bytes:
    """Every receipt is used once, so each has a mask of its own."""
    mask = blake2b(receipt.encode(), key=key, person=b"fingerprint").digest()[: len(fingerprint)]
    return (int.from_bytes(fingerprint, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(fingerprint), "big")
