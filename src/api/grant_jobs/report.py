"""The counts of a grant job, and its report, for people and for programs."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ledger.commit.submission import Outcome
from ledger.domain.errors import KeyReused, Refusal
from ledger.explain.sentences import counted

LISTED = 20
"""The most refused grants that a report names. It counts all."""
_ADVICE = {
    KeyReused.code: "another grant of this job was made before: give another grant another name with --job.",
    "account_not_found": "open these accounts first.",
}


@dataclass(slots=True)
class Tally:
    """The counts of one run."""

    granted: int = 0
    replayed: int = 0
    credits: int = 0
    """Credits that this run granted."""
    refused: Counter[str] = field(default_factory=Counter)
    first_refused: list[tuple[str, Refusal]] = field(default_factory=list)

    def count(self, account_id: str, outcome: Outcome, amount: int) -> None:
        """Count the outcome of one grant."""
        if isinstance(outcome, Refusal):
            self.refused[outcome.code] += 1
            if len(self.first_refused) < LISTED:
                self.first_refused.append((account_id, outcome))
        elif outcome.replayed:
            self.replayed += 1
        else:
            self.granted += 1
            self.credits += amount


@dataclass(frozen=True, slots=True)
class Report:
    """One run that reached its end."""

    job: str
    tally: Tally
    accounts: int
    seconds: float
    dry_run: bool

    @property
    def status(self) -> int:
        """The exit status: 1 when some accounts do not have the grant, else 0."""
        return 1 if self.tally.refused else 0

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        tally = self.tally
        return {
            "job": self.job,
            "dry_run": self.dry_run,
            "accounts": self.accounts,
            "granted": tally.granted,
            "replayed": tally.replayed,
            "credits": tally.credits,
            "refused": tally.refused.total(),
            "refused_by_code": dict(sorted(tally.refused.items())),
            "first_refused": [
                {**refusal.facts, "account_id": account_id, "code": refusal.code, "detail": refusal.message}
                for account_id, refusal in tally.first_refused
            ],
            "seconds": round(self.seconds, 3),
        }

    def as_text(self) -> str:
        """The report for people."""
        tally = self.tally
        verb, remark = ("to grant", "; a dry run, nothing is recorded") if self.dry_run else ("granted", "")
        lines = [
            f"{self.job}: {counted(self.accounts, 'account')} in {self.seconds:.1f} s{remark}",
            f"  {verb:10}{tally.granted:>12,} accounts {tally.credits:>16,} credits",
            f"  {'replayed':10}{tally.replayed:>12,} accounts  they had it from an earlier run",
            f"  {'refused':10}{tally.refused.total():>12,} accounts",
        ]
        for code, count in tally.refused.most_common():
            lines.append(f"{counted(count, 'account')} refused, {code}: {_ADVICE.get(code, 'see docs/errors.md.')}")
        lines += [f"  {account_id!r}: {refusal.message}" for account_id, refusal in tally.first_refused]
        more = tally.refused.total() - len(tally.first_refused)
        return "\n".join([*lines, f"  and {more:,} more"] if more else lines)
