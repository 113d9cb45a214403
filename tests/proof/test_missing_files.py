"""Where nothing is signed because a file is missing or a lock is held: who is told, and which command continues."""

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from api.cli.main import app
from api.runtime.database import as_url
from ledger.proof import checkpointer as checkpointing
from ledger.proof.signing_key import CheckpointKeys, KeyMissing
from ledger.proof.status import CheckpointStatus, CheckpointWatch
from ledger.store.log import EventLog
from tests.postgres import owner
from tests.proof.logs import add_events, checkpoint_keys_of, checkpointer


@pytest_asyncio.fixture
async def log(database: str) -> AsyncIterator[EventLog]:
    log = EventLog(database, readers=2)
    await log.open()
    yield log
    await log.close()


async def status_of(log: EventLog, keys: CheckpointKeys) -> CheckpointStatus:
    """What /readyz and the metrics are made of."""
    async with log.connection() as connection:
        return await CheckpointWatch(keys.path.parent, keys.folder.path.parent).status(connection)


def test_modes(database: str, tmp_path: Path) -> None:
    """Whoever may read a lock may hold it."""
    keys = checkpoint_keys_of(database, tmp_path)
    with keys.folder.locked():
        keys.signing_key()
    assert stat.S_IMODE((keys.folder.path / ".lock").stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    (keys.folder.path / ".lock").chmod(0o644)
    with keys.folder.locked():
        assert stat.S_IMODE((keys.folder.path / ".lock").stat().st_mode) == 0o600


async def test_an_empty_folder_of_a_log_that_was_signed_signs_nothing(
    database: str, log: EventLog, tmp_path: Path
) -> None:
    """A container that was made anew would begin a second history with a second first key."""
    first, anew = (checkpoint_keys_of(database, tmp_path / name) for name in ("first", "anew"))
    add_events(database, 5)
    assert await checkpointer(log, first).sign() is not None
    add_events(database, 5)
    with pytest.raises(KeyMissing, match="rotate-key --old-key-lost") as caught:
        await checkpointer(log, anew).sign()
    assert str(anew.folder.path / "first-key") in str(caught.value)
    await checkpointer(log, anew).run_once()
    assert not anew.path.exists()
    assert anew.folder.first_key() is None
    found = await status_of(log, anew)
    assert found.problem is not None
    assert "first-key is missing" in found.problem
    add_events(database, 5)
    assert await checkpointer(log, first).sign() is not None, "the earlier installation continues"
    assert (await status_of(log, first)).problem is None
    assert (await status_of(log, anew)).problem is not None


async def test_a_service_that_knew_no_signature_when_it_started_asks_again(
    database: str, log: EventLog, tmp_path: Path
) -> None:
    waits = checkpoint_keys_of(database, tmp_path / "waits")
    add_events(database, 5)
    signer = checkpointer(log, waits)
    assert await checkpointer(log, checkpoint_keys_of(database, tmp_path / "first")).sign() is not None
    with pytest.raises(KeyMissing):
        await signer.sign()


def test_the_command_that_continues(database: str, tmp_path: Path) -> None:
    add_events(database, 5)
    with psycopg.connect(owner(database)) as connection:
        connection.execute("UPDATE ledger.checkpointing SET size = 5")
    environment = {"CREDIT_LEDGER_DATABASE_URL": as_url(database), "CREDIT_LEDGER_DATA_DIR": str(tmp_path / "data")}

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["checkpoints", *words], env=environment)
        return done.exit_code, done.output

    for words in (["sign"], ["key"], ["rotate-key"]):
        status, said = run(*words)
        assert (status, "first-key is missing" in said) == (1, True)
    assert not list((tmp_path / "data").rglob("*.key"))
    status, said = run("rotate-key", "--old-key-lost")
    assert (status, "Tell every auditor" in said) == (0, True)
    assert run("sign")[0] == 0


async def test_a_lock_that_somebody_holds_is_a_problem(
    database: str, log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = checkpoint_keys_of(database, tmp_path)
    signer = checkpointer(log, keys)
    add_events(database, 5)
    with keys.folder.locked():
        await signer.run_once()
        assert (await status_of(log, keys)).problem is None, "another process that signs holds it for a moment"
        monkeypatch.setattr(checkpointing, "PATIENCE", 0.0)
        add_events(database, 5)
        await signer.run_once()
        found = await status_of(log, keys)
        assert found.problem is not None
        assert f"another process has held the lock {keys.folder.path / '.lock'}" in found.problem
    add_events(database, 5)
    await signer.run_once()
    assert (await status_of(log, keys)).problem is None
