"""Sealing: texts become tokens that only the key of their account opens. Destroying the key erases them everywhere.

AES-256-GCM with a random nonce. The account id is authenticated, so a token cannot be moved to another account. A token
is "sealed:" and the base64 of nonce and ciphertext. Keys are in ledger.text_keys, one for each account that has texts.
"""

import secrets
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any, TypeVar, cast

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.commands import (
    ChangeGrantExpiry,
    CloseAccount,
    Command,
    DeductCredits,
    FreezeAccount,
    GrantCredits,
    MergeAccount,
    OpenAccount,
    PlaceHold,
    ReceiveCredits,
    RecordDispute,
    RecordPayment,
    ReopenAccount,
    ReverseDeduction,
    ReverseTransfer,
    SendBack,
    SendCredits,
    UnfreezeAccount,
    UpdateAccount,
    VoidGrant,
)
from ledger.domain.texts import SEALED, JsonObject, Sealed

Key = bytes
C = TypeVar("C", bound=Command)
_NONCE = 12
_TEXTS: Mapping[type, tuple[str, ...]] = {
    OpenAccount: ("description", "metadata"),
    UpdateAccount: ("description", "metadata", "reason"),
    GrantCredits: ("description", "metadata"),
    DeductCredits: ("description", "metadata"),
    PlaceHold: ("description",),
    ReverseDeduction: ("reason",),
    VoidGrant: ("reason",),
    ChangeGrantExpiry: ("reason",),
    RecordDispute: ("reason",),
    FreezeAccount: ("reason",),
    UnfreezeAccount: ("reason",),
    CloseAccount: ("reason",),
    ReopenAccount: ("reason",),
    SendCredits: ("description",),
    MergeAccount: ("reason",),
    ReceiveCredits: ("description",),
    ReverseTransfer: ("reason",),
    SendBack: ("reason",),
}
"""The text fields of each command; a payment has those of its grants."""


def new_key() -> Key:
    """Make a key for an account that has none."""
    return secrets.token_bytes(32)


def seal(key: Key, account_id: str, text: str | JsonObject) -> Sealed:
    """Seal a text: return its token."""
    nonce = secrets.token_bytes(_NONCE)
    sealed = AESGCM(key).encrypt(nonce, orjson.dumps(text, option=orjson.OPT_SORT_KEYS), account_id.encode())
    return Sealed(SEALED + b64encode(nonce + sealed).decode())


def unseal(key: Key | None, account_id: str, value: Any) -> Any:
    """The text in a token; None when its key is gone. A value that is not a token is returned as it is."""
    return unseal_all(key, account_id, [value])[0]


def unseal_all(key: Key | None, account_id: str, values: Iterable[Any]) -> list[Any]:
    """The same for several values of one account, which share what the key takes."""
    cipher, account = None if key is None else AESGCM(key), account_id.encode()
    return [
        _opened(cipher, account, value) if isinstance(value, str) and value.startswith(SEALED) else value
        for value in values
    ]


def _opened(cipher: AESGCM | None, account: bytes, token: str) -> Any:
    if cipher is None:
        return None
    try:
        sealed = a2b_base64(token[len(SEALED) :], strict_mode=True)
        return orjson.loads(cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], account))
    except (InvalidTag, Base64Error, ValueError):  # its key was destroyed; a changed token is found by the hash chain
        return None


def sealed_command(command: C, key: Key | None) -> tuple[C, Key | None]:
    """The command with its texts sealed, and the key that seals them; None when the command has no texts.

    The key is `key`, that of its account, or a new one when the account has none.
    """
    if isinstance(command, RecordPayment) and command.grants:
        return cast("tuple[C, Key | None]", _sealed_payment(command, key))
    texts = {}
    for name in _TEXTS.get(type(command), ()):  # a comprehension would cost every command a call
        text = getattr(command, name)
        if text is not None:
            texts[name] = text
    if not texts:
        return command, None
    key = key or new_key()
    tokens = {name: seal(key, command.account_id, text) for name, text in texts.items()}
    change: Callable[..., C] = replace
    return change(command, **tokens), key


def _sealed_payment(command: RecordPayment, key: Key | None) -> tuple[RecordPayment, Key | None]:
    grants, sealing = [], None
    for grant in command.grants:
        sealed, used = sealed_command(grant, sealing or key)
        grants.append(sealed)
        sealing = sealing or used
    return replace(command, grants=tuple(grants)), sealing


# Fingerprints --------------------------------------------------------------------------------------------------

_MARK = 5
"""Bytes at the end of a masked fingerprint that identify its key. The length of a plain one is a multiple of four."""


def masked(fingerprint: bytes, key: Key | None, receipt: str) -> bytes:
    """A fingerprint as stored. It is masked with the key of the texts, because texts could be guessed from it."""
    return fingerprint if key is None else _masked(fingerprint, key, receipt) + _mark(key)


def unmasked(stored: bytes, key: Key | None, receipt: str) -> bytes | None:
    """The fingerprint behind a stored one; None when its key is gone."""
    if len(stored) % 4 == 0:
        return stored
    if key is None or stored[-_MARK:] != _mark(key):
        return None
    return _masked(stored[:-_MARK], key, receipt)


def _mark(key: Key) -> bytes:
    return blake2b(digest_size=_MARK, key=key, person=b"mark").digest()


def _masked(fingerprint: bytes, key: Key, receipt: str) -> bytes:
    """Apply or remove the mask. A receipt is used only once, so every fingerprint has a mask of its own."""
    mask = blake2b(receipt.encode(), key=key, person=b"fingerprint").digest()[: len(fingerprint)]
    return (int.from_bytes(fingerprint, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(fingerprint), "big")
