"""A bundle is what `credit-ledger verify` can judge, first and again after the log has grown."""

import asyncio
import stat
from pathlib import Path

import pytest

from api.cli.progress import Lines
from audit.export.bundle import export_bundle
from audit.export.log_export import CannotContinue
from audit.export.sources import Source
from audit.verify.offline import Trusting, verify_path
from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.checkpointer import Checkpointer
from ledger.proof.signing_key import CheckpointKeys
from ledger.service import Ledger
from ledger.store.identity import ledger_id
from ledger.store.log import EventLog
from tests.conftest import Clock
from tests.projections.busy import Busy


async def bundled(log: EventLog, folder: Path, to: Path) -> int:
    """Export a bundle; its position."""
    return (await export_bundle(Source(log, 0, Lines()), folder, to)).upto


async def checkpoint_keys(log: EventLog, folder: Path) -> CheckpointKeys:
    async with log.connection() as connection:
        return CheckpointKeys(folder / "signing", CheckpointFolder(folder / "checkpoints", await ledger_id(connection)))


async def test_a_bundle_can_be_verified_and_grows(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    keys, to = await checkpoint_keys(ledger.log, tmp_path), tmp_path / "bundle"
    busy = Busy(ledger, clock)
    for account in ("ada", "bob"):
        await busy.live(account)
        signed = await Checkpointer(ledger.log, keys, lambda: True, seconds=0, events=1).sign()
        assert signed is not None
        position = await bundled(ledger.log, tmp_path / "checkpoints", to)
        assert position == signed.size
        judged = await asyncio.to_thread(verify_path, to, Trusting(), Lines())
        assert judged.breach is None
        assert (judged.events, judged.signed) == (position, position)
    first = keys.trusted()[0].key
    assert (to / "verifying-key.txt").read_text() == f"{first.text}\n"
    keys.rotate(clock())
    await bundled(ledger.log, tmp_path / "checkpoints", to)
    assert (await asyncio.to_thread(verify_path, to, Trusting(keys=[first]), Lines())).breach is None
    assert sorted(path.name for path in to.iterdir()) == ["checkpoints", "events.jsonl", "verifying-key.txt"]
    assert not [path for path in to.rglob("*") if "signing" in path.parts]
    assert stat.S_IMODE((to / "events.jsonl").stat().st_mode) == 0o600


async def test_without_checkpoints_there_is_nothing_to_judge_it_by(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(CannotContinue, match="`credit-ledger checkpoints sign` makes one"):
        await bundled(ledger.log, tmp_path / "checkpoints", tmp_path / "bundle")
