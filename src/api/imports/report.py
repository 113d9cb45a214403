"""The report at the end of an import, for people and for programs."""

from dataclasses import dataclass, field
from typing import Any

from api.imports.rating import Rated
from api.imports.tally import Stop, Tally
from ledger.domain.errors import KeyReused, Refusal
from ledger.explain.sentences import counted

_WHY: dict[Stop, str] = {
    "interrupted": "it was interrupted",
    "refused": "a row was refused",
    "unavailable": "the database cannot be reached, so the outcome of the last rows is not known",
}
_UNDATED = "their time is too long ago, or in the future; only their metadata has it"
_UNCOLLECTED = "they cost more than was available; GET /v1/uncollected lists them"
_ADVICE = {
    KeyReused.code: (
        "an earlier run of this job has imported these rows, with other options or from another file.\n"
        "The ledger keeps those deductions. Another file is another job: name it with --job."
    ),
    "account_not_found": "open these accounts first, or use the --open options.",
    "insufficient_credits": "after a top-up, run the same command again: it deducts only the refused rows. "
    "Or take what there is, with --on-shortfall available.",
    "limit_reached": "when the limit is raised or its window has ended, run the same command again: "
    "it deducts only the refused rows.",
    "usage_required": "say what a limit counts by, with --usage or a column of that name, and run it again.",
}


@dataclass(frozen=True, slots=True)
class Report:
    """One run, finished or stopped."""

    job: str
    tally: Tally
    rows_in_file: int
    seconds: float
    dry_run: bool
    left_out: list[str] = field(default_factory=list)
    """What is in the file and was not imported, as `notes.left_out` tells it."""
    warnings: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    """What a dry run tells beside the counts."""

    @property
    def status(self) -> int:
        """The exit status: 130 after an interruption, 1 when the ledger lacks a row, else 0."""
        if self.tally.stopped == "interrupted":
            return 130
        return 1 if self.tally.stopped or self.tally.refused else 0

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        tally = self.tally
        return {
            "job": self.job,
            "dry_run": self.dry_run,
            "rows_in_file": self.rows_in_file,
            "rows": tally.rows,
            "accounts_opened": tally.opened,
            "deducted": tally.deducted,
            "replayed": tally.replayed,
            "skipped": tally.skipped,
            "empty": tally.empty,
            "undated": tally.undated,
            "uncollected": tally.uncollected,
            "bad": tally.bad,
            "refused": tally.refused.total(),
            "credits": {
                "deducted": tally.credits_deducted,
                "replayed": tally.credits_replayed,
                "together": tally.credits_deducted + tally.credits_replayed,
                "uncollected": tally.credits_uncollected,
            },
            "refused_by_code": dict(sorted(tally.refused.items())),
            "first_refused": [_refused_row(rated, refusal) for rated, refusal in self._first_refused()],
            "left_out": self.left_out,
            "warnings": self.warnings,
            "stopped": tally.stopped,
            "seconds": round(self.seconds, 3),
        }

    def as_text(self) -> str:
        """The report for people."""
        return "\n".join([*self._counts(), *self._left_out(), *self._refusals(), *self._ending(), *self.details])

    def _left_out(self) -> list[str]:
        return [f"  left out {' ' * 11} {text}" for text in self.left_out]

    def _counts(self) -> list[str]:
        tally = self.tally
        together = tally.deducted + tally.replayed
        title = f"{self.job}: {counted(tally.rows, 'row')} in {self.seconds:.1f} s"
        if self.dry_run:
            return [
                f"{title}; a dry run, nothing is recorded",
                _line("to deduct", tally.deducted, tally.credits_deducted),
                _line("to skip", tally.skipped, None, "they cost 0 credits"),
            ]
        return [
            title,
            _line("deducted", tally.deducted, tally.credits_deducted),
            _line("replayed", tally.replayed, tally.credits_replayed, "recorded by an earlier run"),
            _line("together", together, tally.credits_deducted + tally.credits_replayed),
            _line("skipped", tally.skipped, None, "they cost 0 credits"),
            _line("refused", tally.refused.total(), None),
            f"  opened   {tally.opened:>12,} accounts",
            *([_uncollected_line(tally)] if tally.uncollected else []),
            *([f"  undated  {tally.undated:>12,} rows  {_UNDATED}"] if tally.undated else []),
        ]

    def _first_refused(self) -> list[tuple[Rated, Refusal]]:
        """The named refused rows in the order of the file. Answers come in another order."""
        return sorted(self.tally.refused_rows, key=lambda refused: refused[0].row.number)

    def _refusals(self) -> list[str]:
        lines = [
            f"{counted(count, 'row')} refused, {code}: {_ADVICE.get(code, 'see docs/errors.md.')}"
            for code, count in self.tally.refused.most_common()
        ]
        for rated, refusal in self._first_refused():
            differs = f" It differs in {', '.join(refusal.facts['fields'])}." if "fields" in refusal.facts else ""
            lines.append(f"  {rated.row.place}, account {rated.account_id!r}: {refusal.message}{differs}")
        more = self.tally.refused.total() - len(self.tally.refused_rows)
        return [*lines, f"  and {more:,} more"] if more else lines

    def _ending(self) -> list[str]:
        if self.tally.stopped is None:
            return []
        left = self.rows_in_file - self.tally.rows
        return [
            f"Stopped with {left:,} of {counted(self.rows_in_file, 'row')} left: {_WHY[self.tally.stopped]}.",
            "Run the same command again to continue: it deducts no row twice.",
        ]


def _line(name: str, rows: int, credits: int | None, remark: str = "") -> str:
    amount = " " * 20 if credits is None else f"{credits:>12,} credits"
    return f"  {name:9}{rows:>12,} rows {amount}  {remark}".rstrip()


def _uncollected_line(tally: Tally) -> str:
    return f"  uncollected{tally.uncollected:>10,} rows {tally.credits_uncollected:>12,} credits  {_UNCOLLECTED}"


def _refused_row(rated: Rated, refusal: Refusal) -> dict[str, Any]:
    return {
        **refusal.facts,
        "row": rated.row.number,
        "line": rated.row.line,
        "account_id": rated.account_id,
        "amount": rated.amount,
        "code": refusal.code,
        "detail": refusal.message,
    }
