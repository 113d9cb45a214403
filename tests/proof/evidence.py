"""A small ledger in which everything has happened, with its checkpoints, its export and its statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from audit.export.bundle import CHECKPOINTS, export_bundle
from audit.export.sources import Source
from audit.statements.form import Period
from audit.statements.making import NewStatement, StatementRequest, make
from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.checkpointer import Checkpointer
from ledger.proof.notes import VerifyingKey
from ledger.proof.signing_key import CheckpointKeys
from ledger.service import Ledger
from ledger.store.feed import Feed
from ledger.store.identity import ledger_id
from ledger.store.records.chain import Record
from tests.conftest import Clock
from tests.projections.busy import Busy
from tests.store.asking import open_account

EVERYTHING = Period(None, None)
FIFTH_DAY = Period(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 5, 0, 40, tzinfo=UTC))
"""Of the first account: some events before it, some in it, some after it."""
MADE_AT = datetime(2026, 7, 1, tzinfo=UTC)


class Silence:
    """Progress that nobody sees."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """A step begins."""

    def reach(self, done: int) -> None:
        """So much is done."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is to be judged, and the key that an auditor trusts."""

    records: Sequence[Record]
    checkpoint_keys: CheckpointKeys
    key: VerifyingKey
    bundle: Path
    statements: Sequence[Path]

    @property
    def sizes(self) -> list[int]:
        """Those of the checkpoints."""
        return [filed.size for filed in self.checkpoint_keys.folder.all()]

    @property
    def exported(self) -> Path:
        """The folder of checkpoints in the bundle."""
        return self.bundle / CHECKPOINTS / self.checkpoint_keys.folder.path.name


async def gather(database: str, where: Path, *, accounts: int = 2) -> Evidence:
    """Let accounts live, sign now and then, hand over to another key in the middle, and export what came of it.

    After the newest checkpoint there are a few events that no signature covers.
    """
    clock = Clock()
    async with Ledger(database, clock=clock).running() as ledger:
        checkpoint_keys = await checkpoint_keys_of(ledger, where)
        for number in range(accounts):
            await Busy(ledger, clock).live(f"ada-{number}")
            await open_account(ledger, f"quiet-{number}", permanent=5)
            await sign(ledger, checkpoint_keys)
            if number == 0:
                checkpoint_keys.rotate(datetime(2026, 6, 1, tzinfo=UTC))
        statements = []
        for number, period in enumerate((EVERYTHING, FIFTH_DAY)):
            statements.append(where / f"statement-{number}.json")
            statements[-1].write_bytes((await statement(ledger, checkpoint_keys, "ada-0", period)).file)
        await open_account(ledger, "late", permanent=3)
        async with ledger.log.reader() as reader:
            records = await reader.records(0, 2**62, 1_000_000)
        source = Source(ledger.log, await Feed(ledger.log).last_position(), Silence())
        await export_bundle(source, checkpoint_keys.folder.path.parent, where / "bundle")
    key = checkpoint_keys.folder.first_key()
    assert key is not None
    return Evidence(records, checkpoint_keys, key, where / "bundle", statements)


async def checkpoint_keys_of(ledger: Ledger, where: Path) -> CheckpointKeys:
    """Keys and checkpoints of a ledger, in a folder of the test's."""
    async with ledger.log.connection() as connection:
        identity = await ledger_id(connection)
    return CheckpointKeys(where / "signing", CheckpointFolder(where / "checkpoints", identity))


async def sign(ledger: Ledger, checkpoint_keys: CheckpointKeys) -> None:
    """A checkpoint of the log as it is."""
    await Checkpointer(ledger.log, checkpoint_keys, lambda: True, seconds=1, events=1).sign()


async def statement(
    ledger: Ledger, checkpoint_keys: CheckpointKeys, account: str, period: Period, *, texts: bool = True
) -> NewStatement:
    """A statement of an account."""
    return await make(ledger.log, checkpoint_keys, StatementRequest(account, period, texts), MADE_AT)
