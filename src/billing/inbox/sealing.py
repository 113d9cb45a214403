"""The seal of the inbox: what buyers are called and where they live is readable to those alone who have its key.

AES-256-GCM with a random nonce. The name of what is sealed is authenticated, so nothing sealed can be passed off as
something else, and a file of the spool that the service did not write is not opened.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


class Seal:
    """Seals and opens with one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, name: str, content: bytes) -> bytes:
        """The sealed content of what has this name."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, content, name.encode())

    def open(self, name: str, sealed: bytes) -> bytes | None:
        """The content; None when it was not sealed with this key and name."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], name.encode())
        except (InvalidTag, ValueError):
            return None
