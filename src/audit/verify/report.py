"""What a verification came to, for people and for programs."""

from dataclasses import dataclass, field
from typing import Any, Literal

from ledger.explain.sentences import counted
from ledger.proof.vouching import Vouched
from ledger.proof.walk import Breach, Walk, shown

HOLDS, BROKEN, UNCHECKED = 0, 1, 3
"""Exit statuses; 2 is that of wrong options."""

Whose = Literal["given", "installation", "file"]
"""Whose word the verifying keys are: the caller's, that of this machine, or that of the file itself."""

_WHOSE: dict[Whose, str] = {
    "given": "the key that you named, and those for which it vouches:",
    "installation": "the key that this installation keeps; name your copy with --key, so that no machine is trusted:",
    "file": "the key that came with it, so this does not say who made it; name the ledger's key with --key:",
}


class CannotVerify(Exception):
    """There is nothing that could be judged; the message says why."""


@dataclass(slots=True)
class Report:
    """What was covered and, if something does not hold, the first place."""

    what: str
    """What was checked, in a few words."""
    whose: Whose = "given"
    keys: list[str] = field(default_factory=list)
    events: int = 0
    accounts: int = 0
    checkpoints: int = 0
    passed_over: int = 0
    signed: int = 0
    """The size of the newest checkpoint that holds."""
    unsigned: int = 0
    """Events after it."""
    breach: Breach | None = None
    unchecked: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    """What else there is to say, for programs: of a statement its account, period and balances."""
    lines: list[str] = field(default_factory=list)
    """The same for people."""

    def add_walk(self, walk: Walk) -> None:
        """Take in how far the log was followed."""
        self.events, self.accounts = walk.position, walk.accounts
        self.checkpoints, self.signed = walk.checkpoints, walk.signed
        self.unsigned = walk.position - walk.signed

    def add_vouched(self, vouched: Vouched) -> None:
        """Take in who vouches."""
        self.keys = [each.key.text for each in vouched.trust.trusted]
        self.passed_over = vouched.passed_over

    @property
    def status(self) -> int:
        """The exit status."""
        if self.breach is not None:
            return BROKEN
        return HOLDS if self.unchecked is None else UNCHECKED

    def as_text(self) -> str:
        """For people."""
        lines = [f"{shown(self.what)}: {self._verdict()}"]
        lines += [_told(told) for told in (self.breach, self.unchecked) if told is not None]
        lines += self.lines
        lines.append(f"{counted(self.events, 'event')} of {counted(self.accounts, 'account')} followed")
        lines += self._signatures()
        return "\n  ".join(lines)

    def _verdict(self) -> str:
        verdicts = {HOLDS: "everything holds", BROKEN: "this does not hold", UNCHECKED: "not all could be checked"}
        return verdicts[self.status]

    def _signatures(self) -> list[str]:
        lines = []
        if self.checkpoints:
            lines.append(f"{counted(self.checkpoints, 'checkpoint')}, the newest at position {self.signed:,}")
        if self.passed_over:
            lines.append(f"{counted(self.passed_over, 'checkpoint')} from before that key was in use: not judged")
        if self.breach is None and self.unsigned:
            after = f" after position {self.signed:,}" if self.signed else ""
            lines.append(f"{counted(self.unsigned, 'event')}{after}: chained, and not yet under a signature")
        if self.keys:
            lines += [f"signatures are judged by {_WHOSE[self.whose]}", *(f"  {key}" for key in self.keys)]
        elif self.breach is None:
            lines.append("no signature was looked at: name the checkpoints with --checkpoints")
        return lines

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "status": {HOLDS: "holds", BROKEN: "broken", UNCHECKED: "unchecked"}[self.status],
            "what": self.what,
            "events": self.events,
            "accounts": self.accounts,
            "checkpoints": self.checkpoints,
            "checkpoints_not_judged": self.passed_over,
            "signed_position": self.signed,
            "unsigned_events": self.unsigned,
            "keys": self.keys,
            "keys_from": self.whose,
            "first": _as_json(self.breach) if self.breach is not None else None,
            "unchecked": self.unchecked,
            **self.facts,
        }


def _as_json(breach: Breach) -> dict[str, Any]:
    return {
        "what": breach.what,
        **breach.place._asdict(),
        "problem": breach.problem,
        "expected": breach.expected,
        "found": breach.found,
        "words": str(breach),
    }


def _told(problem: Breach | str) -> str:
    """One sentence; the name of a file that begins it stays as it is spelled."""
    text = str(problem)
    if isinstance(problem, Breach) and problem.place.file is not None:
        return text
    return text[:1].upper() + text[1:]
