"""Whether what proves the log holds: the hash chain of every account, and the checkpoints that a service has signed.

The chain is computed anew from the stored columns by the rule of src/ledger/store/records/chain.py, said once more:
nothing of that comes from there. Chain and checkpoints together are judged by what `credit-ledger verify` runs.
"""

import asyncio
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from audit.verify.online import Trusting, verify_ledger
from tests.survival.log import Row, read_log

PATIENCE = 60.0
RESTS = 0.05


async def proofs_broken(conninfo: str, checkpoints: Path | None) -> list[str]:
    """A sentence for each proof that does not hold. `checkpoints`: the folder of a service that signed any."""
    found = chain_broken(await read_log(conninfo))
    if checkpoints is None:
        return found
    if not await _signed(checkpoints):
        return [*found, "the service has signed no checkpoint"]
    report = await verify_ledger(conninfo, Trusting(checkpoints), _Silence())
    return found if report.breach is None else [*found, f"verify: {report.breach}"]


async def _signed(checkpoints: Path) -> bool:
    """Whether there is a checkpoint, after the time in which one has to come: who signs may just have started."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not any(checkpoints.glob("*/*.checkpoint")):  # noqa: ASYNC110, ASYNC240
                await asyncio.sleep(RESTS)
            return True
    return False


class _Silence:
    """Progress that nobody watches."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """Nothing."""

    def reach(self, done: int) -> None:
        """Nothing."""


def chain_broken(rows: list[Row]) -> list[str]:
    """A sentence for each event whose hash is not the one that follows from its columns and the hash before it."""
    found, before = [], dict[str, bytes]()
    for row in rows:
        if row.hash is None:
            continue  # a log from before there were hashes
        if row.hash != hash_of(row, before.get(row.account, bytes(32))):
            found.append(f"{row.name} has a hash that does not follow from it and the event before it")
        before[row.account] = row.hash
    return found


def hash_of(row: Row, before: bytes) -> bytes:
    """What the hash of an event must be."""
    return sha256(
        _sized(before)
        + _sized(row.account.encode())
        + _sized(row.version.to_bytes(8, "big", signed=True))
        + _sized(row.topic.encode())
        + _sized(row.state)
        + _sized(None if row.subject is None else row.subject.encode())
        + _sized(None if row.receipt is None else row.receipt.encode())
        + _sized(row.fingerprint)
        + _sized(None if row.command_events is None else row.command_events.to_bytes(4, "big", signed=True))
    ).digest()


def _sized(part: bytes | None) -> bytes:
    return (-1).to_bytes(4, "big", signed=True) if part is None else len(part).to_bytes(4, "big", signed=True) + part
