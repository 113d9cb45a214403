"""What goes wrong in a run, how often, and how long things take: all of it drawn from the seed.

Every run leaves out some kinds of trouble altogether. A storm of everything hides what needs two certain things and
some quiet in between.
"""

import random
from typing import Literal

Fault = Literal[
    "request lost",  # the connection breaks before the statement arrives
    "answer lost",  # it breaks after the statement took effect
    "cut",  # it breaks at some moment between the two, perhaps for long, and the server does not know
    "write cut",  # the same, of statements that append or commit
    "stall",  # the server process takes the statement up late
    "slow",  # the answer takes its time
    "statement fails",  # an error of the statement's own
    "server falters",  # an error that looks like a lost connection, and is none
    "read fails",  # no connection in time, or one that breaks
    "end takes long",  # a server process that is to be ended still does something first, or does not end in time
]

_RATES: dict[Fault, float] = {
    "request lost": 0.05,
    "answer lost": 0.1,
    "cut": 0.05,
    "write cut": 0.15,
    "stall": 0.15,
    "slow": 0.05,
    "statement fails": 0.03,
    "server falters": 0.05,
    "read fails": 0.05,
    "end takes long": 0.3,
}


class Weather:
    """The trouble of one run."""

    def __init__(self, rng: random.Random, *, brittle: bool = False) -> None:
        self._rng = rng
        self._rates: dict[Fault, float] = {}
        if brittle:
            self._rates = {"write cut": 0.3}
        elif rng.random() < 0.9:
            rough = rng.choice([0.3, 1.0, 2.0])
            self._rates = {fault: rate * rough for fault, rate in _RATES.items() if rng.random() < 0.5}
        self._left = rng.choice([2, 5, 20, 60])
        """How much trouble there is in all: a storm that never ends says nothing about what comes after it."""
        self._pace = rng.choice([0.0005, 0.002, 0.01])

    def strikes(self, fault: Fault) -> bool:
        """Whether it happens now."""
        rate = self._rates.get(fault)
        if rate is None or self._left <= 0 or self._rng.random() >= rate:
            return False
        self._left -= 1
        return True

    def clear_up(self) -> None:
        """Nothing goes wrong from here on."""
        self._rates = {}

    def mostly(self) -> bool:
        """What happens more often than not."""
        return self._rng.random() < 0.7

    def trip(self) -> float:
        """Seconds from a client to the server or back."""
        return self._rng.random() * self._pace

    def work(self) -> float:
        """Seconds that a commit takes."""
        return self._rng.random() * self._pace * 2

    def long(self) -> float:
        """Seconds that are felt."""
        return 10 ** self._rng.uniform(-2, 0.8)
