"""Verifies the kept snapshots of a ledger: each must be what the events of its account add up to.

The service believes only those that their events prove. Whoever can append events can also append a false proof, so the
events are folded from the first one.
"""

from ledger.domain.account import Account, evolve
from ledger.proof.walk import Breach, Place
from ledger.store import (
    Connection,
    FalseSnapshot,
    KeptSnapshots,
    UnreadableEvent,
    accounts_with_snapshots,
    read,
    streams,
)

_ACCOUNTS = 64
"""The number of accounts that are folded at once."""
_PAGE = 2_000
_END = 2**62


async def check_snapshots(connection: Connection) -> None:
    """Raise Breach for the first account with a false snapshot."""
    after = ""
    while accounts := await accounts_with_snapshots(connection, after, _ACCOUNTS):
        await check_snapshots_of(connection, accounts)
        after = accounts[-1]


async def check_snapshots_of(connection: Connection, accounts: list[str]) -> None:
    """Raise Breach for a false snapshot of one of some accounts."""
    kept = await KeptSnapshots.of(connection, accounts)
    states: dict[str, Account] = {}
    async for rows in streams(connection, accounts, _END, _PAGE):
        try:
            for _, account_id, _, event in read(rows):
                states[account_id] = account = evolve(states.get(account_id), event)
                kept.compare(account)
        except UnreadableEvent as problem:
            raise Breach("state", Place(problem.position, problem.account_id), str(problem)) from problem
        except Exception as problem:  # folding checks nothing, so damaged events may raise anything
            place = Place(rows[0].position, upto=rows[-1].position)
            raise Breach("state", place, f"events cannot be folded: {type(problem).__name__}: {problem}") from problem
    for false in (*kept.false, *kept.left()):
        raise _breach(false)


def _breach(false: FalseSnapshot) -> Breach:
    place = Place(None, false.account_id, false.version)
    if false.expected is None:
        return Breach("snapshot", place, "there is no event of the kept snapshot")
    problem = "the kept snapshot differs from what the events add up to"
    return Breach("snapshot", place, problem, false.expected, false.found)
