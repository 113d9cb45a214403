"""Whether the projections are what the log adds up to: `credit-ledger check --all`, in this process."""

from projections.checks.check import check_accounts, check_totals
from projections.checks.refold import connect
from projections.checks.roster import next_accounts
from tests.projections.engine.following import watching

PIECE = 100


async def projections_differ(conninfo: str) -> list[str]:
    """Wait until the projections have come to the end of the log; then a sentence for each row that differs."""
    try:
        async with watching(conninfo) as watch:
            await watch.has_caught_up()
    except TimeoutError:
        return ["the projections do not come to the end of the log"]
    found: list[str] = []
    async with await connect(conninfo) as connection:
        after = ""
        while piece := await next_accounts(connection, after, PIECE):
            after = piece[-1]
            checked = await check_accounts(connection, piece)
            found += [difference.text for difference in checked.differences]
            found += [f"{name} cannot be checked: {why}" for name, why in checked.unchecked.items()]
        totals = await check_totals(connection)
        found += [difference.text for difference in totals.differences]
    return found
