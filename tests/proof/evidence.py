"""A small ledger in which everything has happened, with its checkpoints, its export and its statements."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from api.statements.form import Period
from api.statements.making import Wanted, make
from api.verify.offline import CHECKPOINTS, EVENTS, KEY
from ledger.checkpoint_folder import CheckpointFolder
from ledger.checkpointer import Checkpointer
from ledger.custody import Custody
from ledger.lines import to_line
from ledger.notes import VerifyingKey
from ledger.service import Ledger
from ledger.store.chain import Record
from ledger.store.tree import ledger_id
from tests.conftest import Clock
from tests.projections.busy import Busy
from tests.store.asking import open_account

EVERYTHING = Period(None, None)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is to be judged, and the key that an auditor trusts."""

    records: Sequence[Record]
    custody: Custody
    key: VerifyingKey
    bundle: Path
    statements: Sequence[Path]

    @property
    def folder(self) -> CheckpointFolder:
        return self.custody.folder

    @property
    def sizes(self) -> list[int]:
        """Those of the checkpoints."""
        return [filed.size for filed in self.folder.all()]


async def sign(ledger: Ledger, custody: Custody) -> None:
    """A checkpoint of the log as it is."""
    await Checkpointer(ledger.log, custody, lambda: True, seconds=1, events=1).sign()


async def gather(database: str, where: Path, *, accounts: int = 2) -> Evidence:
    """Let accounts live, sign now and then, hand over to another key in the middle, and export what came of it.

    Behind the newest checkpoint there are a few events that nothing vouches for.
    """
    clock = Clock()
    async with Ledger(database, clock=clock).running() as ledger:
        async with ledger.log.connection() as connection:
            identity = await ledger_id(connection)
        custody = Custody(where / "signing", CheckpointFolder(where / "checkpoints", identity))
        names = [f"ada-{number}" for number in range(accounts)]
        for number, name in enumerate(names):
            await Busy(ledger, clock).live(name)
            await open_account(ledger, f"quiet-{number}", permanent=5)
            await sign(ledger, custody)
            if number == 0:
                custody.rotate(datetime(2026, 6, 1, tzinfo=UTC))
        statements = []
        for number, period in enumerate((EVERYTHING, Period(datetime(2026, 1, 2, tzinfo=UTC), None))):
            made = await make(ledger.log, custody, Wanted(names[0], period, texts=True), datetime(2026, 7, 1, tzinfo=UTC))
            statements.append(where / f"statement-{number}.json")
            statements[-1].write_bytes(made.file)
        await open_account(ledger, "late", permanent=3)
        async with ledger.log.reader() as reader:
            records = await reader.records(0, 2**62, 1_000_000)
    key = custody.folder.first_key()
    assert key is not None
    return Evidence(records, custody, key, export(records, custody.folder, key, where / "bundle"), statements)


def export(records: Sequence[Record], folder: CheckpointFolder, key: VerifyingKey, where: Path) -> Path:
    """A bundle, as `credit-ledger export` writes one."""
    where.mkdir()
    (where / EVENTS).write_bytes(b"".join(map(to_line, records)))
    shutil.copytree(folder.path, where / CHECKPOINTS)
    (where / KEY).write_text(f"{key.text}\n")
    return where
