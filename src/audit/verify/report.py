"""The result of a verification, for people and for programs."""

from dataclasses import dataclass, field
from typing import Any, Literal

from ledger.explain.sentences import counted
from ledger.proof.trusted_checkpoints import TrustedCheckpoints
from ledger.proof.walk import Breach, Walk, shown

HOLDS, BROKEN, UNCHECKED, UNSIGNED = 0, 1, 3, 4
"""Exit statuses. UNSIGNED: the log holds up to the newest checkpoint, and there are events after it."""

NO_CHECKPOINT = "there is no checkpoint for the log: nothing is signed"

KeySource = Literal["given", "installation", "file"]
"""The source of the verifying keys: the caller, this machine, or the verified file itself."""

_SOURCES: dict[KeySource, str] = {
    "given": "the key that you named, and the later keys that notices connect with it:",
    "installation": "the key of this installation; name your own copy with --key if you do not trust this machine:",
    "file": "the key in the file, so this does not prove who made it; name the ledger's key with --key:",
}


class CannotVerify(Exception):
    """Nothing can be verified. The message says why."""


@dataclass(slots=True)
class Report:
    """What was verified and, if something is wrong, the first place."""

    what: str
    """What was verified, in a few words."""
    keys_from: KeySource = "given"
    keys: list[str] = field(default_factory=list)
    events: int = 0
    accounts: int = 0
    checkpoints: int = 0
    passed_over: int = 0
    signed: int = 0
    """The size of the newest checkpoint that matches."""
    unsigned: int = 0
    """The number of events after it."""
    breach: Breach | None = None
    unchecked: str | None = None
    """Why the signatures prove nothing; None when a checkpoint was verified."""
    facts: dict[str, Any] = field(default_factory=dict)
    """More facts for programs: the account, period and balances of a statement."""
    lines: list[str] = field(default_factory=list)
    """The same for people."""

    def add_walk(self, walk: Walk) -> None:
        """Add the counts of a walk through the log."""
        self.events, self.accounts = walk.position, walk.accounts
        self.checkpoints, self.signed = walk.checkpoints, walk.signed
        self.unsigned = walk.position - walk.signed

    def add_checkpoints(self, trusted_checkpoints: TrustedCheckpoints) -> None:
        """Add the trusted keys, and the number of checkpoints that they do not cover."""
        self.keys = [each.key.text for each in trusted_checkpoints.trust.trusted]
        self.passed_over = trusted_checkpoints.passed_over

    @property
    def status(self) -> int:
        """The exit status."""
        if self.breach is not None:
            return BROKEN
        if self.unchecked is not None:
            return UNCHECKED
        return UNSIGNED if self.unsigned else HOLDS

    def as_text(self) -> str:
        """For people."""
        lines = [f"{shown(self.what)}: {self._verdict()}"]
        lines += [_sentence(problem) for problem in (self.breach, self.unchecked) if problem is not None]
        lines += self.lines
        lines.append(f"{counted(self.events, 'event')} of {counted(self.accounts, 'account')} verified")
        lines += self._signatures()
        return "\n  ".join(lines)

    def _verdict(self) -> str:
        verdicts = {
            HOLDS: "no fault found",
            BROKEN: "a fault was found",
            UNCHECKED: "not everything could be verified",
            UNSIGNED: "no fault found, but the end is not signed",
        }
        return verdicts[self.status]

    def _signatures(self) -> list[str]:
        lines = []
        if self.checkpoints:
            lines.append(f"{counted(self.checkpoints, 'checkpoint')}, the newest at position {self.signed:,}")
        if self.passed_over:
            lines.append(f"{counted(self.passed_over, 'checkpoint')} from before that key was in use: not verified")
        if self.breach is None and self.unsigned:
            after = f" after position {self.signed:,}" if self.signed else ""
            lines.append(f"{counted(self.unsigned, 'event')}{after}: chained, and not signed yet")
        if self.keys:
            lines += [f"signatures are verified with {_SOURCES[self.keys_from]}", *(f"  {key}" for key in self.keys)]
        elif self.breach is None:
            lines.append("no signature was verified: name the checkpoints with --checkpoints")
        return lines

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "status": {HOLDS: "holds", BROKEN: "broken", UNCHECKED: "unchecked", UNSIGNED: "unsigned"}[self.status],
            "what": self.what,
            "events": self.events,
            "accounts": self.accounts,
            "checkpoints": self.checkpoints,
            "checkpoints_not_judged": self.passed_over,
            "signed_position": self.signed,
            "unsigned_events": self.unsigned,
            "keys": self.keys,
            "keys_from": self.keys_from,
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


def _sentence(problem: Breach | str) -> str:
    """The problem with a capital letter, unless it begins with the name of a file."""
    text = str(problem)
    if isinstance(problem, Breach) and problem.place.file is not None:
        return text
    return text[:1].upper() + text[1:]
