"""What a reader already knows of a ledger, or demands of it, before they verify it."""

from dataclasses import dataclass
from pathlib import Path

from audit.verify.report import CannotVerify, Report
from ledger.proof.trusted_checkpoints import TrustedCheckpoints, read_kept_checkpoint
from ledger.proof.walk import Breach, Place


@dataclass(frozen=True, slots=True)
class Expected:
    """By default a reader knows and demands nothing."""

    at_least: int = 0
    """The number of events that checkpoints must cover."""
    since: Path | None = None
    """The file of a checkpoint that the reader kept: the log must begin with its events."""
    signed_only: bool = False
    """Whether an event that no checkpoint covers is a fault."""

    def with_kept(self, found: TrustedCheckpoints) -> TrustedCheckpoints:
        """The checkpoints of a folder, and the one that the reader kept. Raises Breach, CannotVerify and OSError."""
        if self.since is None:
            return found
        kept = read_kept_checkpoint(self.since, found.trust)
        if kept is None:
            raise CannotVerify(f"{self.since} is from before the trusted key was in use; name the key of that time too")
        if any(kept.origin != other.origin for other in found.checkpoints):
            place, origin = Place(file=self.since.name), found.checkpoints[0].origin
            raise Breach("checkpoint", place, "it is of another ledger", origin, kept.origin)
        checkpoints = sorted({*found.checkpoints, kept}, key=lambda checkpoint: checkpoint.size)
        return found._replace(checkpoints=tuple(checkpoints))

    def check(self, report: Report) -> None:
        """Check a report without a fault. Raises Breach."""
        if report.signed < self.at_least:
            problem = "the checkpoints end before this position, and more events are expected"
            raise Breach("position", Place(report.signed + 1), problem, f"at least {self.at_least}", report.signed)
        if self.signed_only and report.unsigned:
            raise Breach("unsigned", Place(), f"no checkpoint covers {report.unsigned} of the events")


NOTHING = Expected()
