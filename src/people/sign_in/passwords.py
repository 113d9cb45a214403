"""Passwords: which are good enough, and their hashes.

A hash takes a tenth of a second and 19 MiB. A process of the service has one made at a time, by a process that gives
way to the ledger, and lets few callers wait for it: nobody can keep the machine busy with passwords. Of the places of
those who wait, a network has a quarter: nobody who signs in again and again keeps everybody else from it.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from typing import TypeVar
from unicodedata import normalize

from people.errors import AccessRefused
from people.sign_in.hashing import hashing_process

SHORTEST, LONGEST = 10, 128
"""Characters of a password, after NFKC."""
MAX_WAITING, OF_NETWORK = 20, 5
"""Callers that may wait for a hash, in all and of one network. One more is told to come back."""
NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$3pbXbv3PC+6t0cR3eW0E2Q$D8k/+bPtYRVvbZpc6XQ90MAnlWPq+UJGjhXXNeXh12Q"
"""The hash of no password: an unknown address is checked against it, so that it takes as long as a known one."""
T = TypeVar("T")


def normal(password: str) -> str:
    """The form in which a password is hashed: two keyboards may write the same characters differently."""
    return normalize("NFKC", password)


def check_strength(password: str, email: str) -> None:
    """Raise AccessRefused: password_too_weak unless a password is long enough, uncommon, and not the address."""
    given = normal(password)
    if not SHORTEST <= len(given) <= LONGEST:
        raise _too_weak(f"A password has {SHORTEST} to {LONGEST} characters.")
    if given.lower() in _common():
        raise _too_weak("This password is one of those that are tried first. Choose another one.")
    if given.lower() in {email, email.partition("@")[0]}:
        raise _too_weak("A password must not be the address.")


def _too_weak(detail: str) -> AccessRefused:
    return AccessRefused("password_too_weak", detail)


@cache
def _common() -> frozenset[str]:
    """The common passwords that are long enough to be refused here, in lower case."""
    return frozenset(files("people").joinpath("common_passwords.txt").read_text().split())


class Passwords:
    """Hashes passwords, one at a time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "passwords")
        self._lock = threading.Lock()
        self._waiting: Counter[str] = Counter()
        """Who waits, by network; under the lock."""

    async def hash(self, password: str, network: str = "") -> str:
        """The hash of a password, with its salt, for a caller from a network.

        Raises AccessRefused: rate_limited, and HashingEnded.
        """
        return await self._run(network, lambda: hashing_process().hash(normal(password)))

    async def match(self, hashed: str | None, password: str, network: str = "") -> bool:
        """Whether a hash is that of a password. Without a hash it takes as long.

        Raises AccessRefused: rate_limited, and HashingEnded.
        """
        right = await self._run(network, lambda: hashing_process().matches(hashed or NOBODYS, normal(password)))
        return right and hashed is not None

    async def _run(self, network: str, work: Callable[[], T]) -> T:
        self._take_place(network)
        hashing = self._thread.submit(work)
        hashing.add_done_callback(lambda _: self._leave(network))  # not sooner, for a client that leaves
        return await asyncio.wrap_future(hashing)

    def _take_place(self, network: str) -> None:
        """Raise AccessRefused: rate_limited where too many wait. Callers without a network have a mailed secret."""
        with self._lock:
            most = OF_NETWORK if network else MAX_WAITING
            if self._waiting.total() >= MAX_WAITING or self._waiting[network] >= most:
                detail = "Too many passwords are being checked. Try again soon."
                raise AccessRefused("rate_limited", detail, retry_after=5)
            self._waiting[network] += 1

    def _leave(self, network: str) -> None:
        with self._lock:
            self._waiting[network] -= 1
            if not self._waiting[network]:
                del self._waiting[network]
