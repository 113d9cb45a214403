"""Uncollected: the deductions that asked for more than was available, and how much of that is waived."""

from collections import defaultdict
from collections.abc import Sequence

from ledger.domain.changes import Fact
from ledger.domain.events import CreditsDeducted, DeductionReversed, HoldCaptured
from ledger.postgres.arrays import bigints, moments, numerics, texts
from projections.models.projection import Projection, Table, Write


def gather(facts: Sequence[Fact]) -> list[Write]:
    """New deductions first, then what is waived of them."""
    found: list[tuple[Fact, CreditsDeducted | HoldCaptured]] = []
    waived: defaultdict[tuple[str, str], int] = defaultdict(int)
    for fact in facts:
        event = fact.event
        if isinstance(event, CreditsDeducted | HoldCaptured):
            if event.uncollected is not None:
                found.append((fact, event))
        elif isinstance(event, DeductionReversed) and event.waived:
            waived[fact.account_id, event.deduction_id] += event.waived
    writes = [_added(found), _waived(waived)]
    return [write for write in writes if write.rows]


def _added(found: Sequence[tuple[Fact, CreditsDeducted | HoldCaptured]]) -> Write:
    holds = [int(event.hold_id[4:]) if isinstance(event, HoldCaptured) else 0 for _, event in found]
    return Write(
        "add",
        len(found),
        {
            "accounts": texts([fact.account_id for fact, _ in found]),
            "numbers": bigints([fact.version for fact, _ in found]),
            "positions": bigints([fact.position for fact, _ in found]),
            "times": moments([event.recorded_at for _, event in found]),
            "holds": bigints(holds),
            "tasks": texts([event.task_id for _, event in found]),
            "collected": bigints([event.amount for _, event in found]),
            "uncollected": bigints([event.uncollected or 0 for _, event in found]),
        },
    )


def _waived(waived: dict[tuple[str, str], int]) -> Write:
    return Write(
        "waive",
        len(waived),
        {
            "accounts": texts([account_id for account_id, _ in waived]),
            "numbers": bigints([int(deduction_id[4:]) for _, deduction_id in waived]),
            "waived": numerics(list(waived.values())),
        },
    )


UNCOLLECTED = Projection(
    "uncollected",
    version=1,
    tables=(Table("uncollected", ("account_id", "number")),),
    gather=gather,
)
