"""Moving the projections of a test by hand: no process beside it, no waiting."""

from collections.abc import Sequence

from ledger.commit.notifications import CommitListener
from ledger.service import Ledger
from ledger.store.feed import Feed
from projections.engine.runner import PAGE, Runner, connect
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection


async def projected(
    ledger: Ledger, database: str, *, page: int = PAGE, projections: Sequence[Projection] = PROJECTIONS
) -> int:
    """Move the live projections to the end of the log, which is returned."""
    runner = Runner(database, Feed(ledger.log), CommitListener(database), projections=projections, page=page)
    connection = await connect(database)
    async with connection:
        while await runner.step(connection):
            pass
    return await Feed(ledger.log).last_position()
