"""Files of checkpoints: whole or not there, one writer at a time, and not more of them than somebody will ask for."""

import os
import random
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.checkpoint_folder import CheckpointFile, CheckpointFolder, surplus
from ledger.proof.files import FolderBusy, write_file
from ledger.proof.notes import BadNote, SigningKey, cosign, open_note, sign, text_of
from ledger.proof.notices import Rotation, open_checkpoint, read_notice, trusted_keys
from ledger.proof.signing_key import CheckpointKeys, KeyMissing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ID = "0b0e3c5c-7a3c-4b42-8d0c-0d6b2f4a7a11"


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "checkpoints", ID)


@pytest.fixture
def checkpoint_keys(tmp_path: Path, folder: CheckpointFolder) -> CheckpointKeys:
    return CheckpointKeys(tmp_path / "signing", folder)


def checkpoint(size: int, *keys: SigningKey) -> bytes:

    return sign(Checkpoint(f"credit-ledger/{ID}", size, bytes(32)).text, keys)


def test_names_sort_by_size(folder: CheckpointFolder) -> None:
    assert folder.all() == []
    assert folder.newest() is None
    with folder.locked():
        for size in (2**63 - 1, 9, 10, 1_000):
            folder.write(size, b"%d" % size)
    assert [filed.size for filed in folder.all()] == [9, 10, 1_000, 2**63 - 1]
    assert sorted(filed.path.name for filed in folder.all()) == [filed.path.name for filed in folder.all()]
    assert (folder.path / "latest").read_bytes() == b"1000"
    newest = folder.newest()
    assert newest is not None
    assert newest.path.read_bytes() == b"%d" % (2**63 - 1)


def test_what_was_found_is_kept_until_the_folder_changes(folder: CheckpointFolder) -> None:
    """The time of a change is set back, as time passes: a folder that has just changed may change again unnoticed."""
    assert folder.kept() is None
    with folder.locked():
        for size in (1, 2):
            folder.write(size, b"%d" % size)
    assert [filed.size for filed in folder.all()] == [1, 2]
    assert folder.kept() is None, "it has just changed"
    changes: list[Callable[[], object]] = [
        lambda: folder.write(3, b"3"),
        lambda: folder.abandon(folder.all()[2:], 1),
        (folder.path / f"{1:019}.checkpoint").unlink,
    ]
    for seconds, change in enumerate(changes, 1):
        os.utime(folder.path, (0, seconds))
        found = folder.all()
        assert folder.kept() == tuple(found)
        with folder.locked():
            change()
        assert folder.kept() is None
    assert [filed.size for filed in folder.all()] == [2]


KILLED = """
import os, sys
from pathlib import Path
from ledger.proof.checkpoint_folder import CheckpointFolder
folder = CheckpointFolder(Path(sys.argv[1]), sys.argv[2])
with folder.locked():
    folder.write(1, b"the first")
    Path.replace = lambda *_: os._exit(9)
    folder.write(2, b"the second")
"""


def test_killed_between_the_file_and_its_name(folder: CheckpointFolder) -> None:
    """Nothing of it is seen, and the next who writes clears it away."""
    command = [sys.executable, "-c", KILLED, str(folder.path.parent), ID]
    assert subprocess.run(command, check=False).returncode == 9
    assert [filed.size for filed in folder.all()] == [1]
    assert len(list(folder.path.glob(".*.tmp"))) == 1
    with folder.locked():
        assert list(folder.path.glob(".*.tmp")) == []
        folder.write(2, b"the second")
    assert [filed.size for filed in folder.all()] == [1, 2]


def test_one_writer_at_a_time(folder: CheckpointFolder) -> None:
    with folder.locked():
        with pytest.raises(FolderBusy, match="another process writes"), folder.locked():
            pass
        done = subprocess.run([sys.executable, "-c", KILLED, str(folder.path.parent), ID], check=False, stderr=-1)
        assert b"FolderBusy" in done.stderr
    with folder.locked():
        pass


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_file(path, b"before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_file(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_old_checkpoints_are_thinned_out(folder: CheckpointFolder) -> None:
    """Written every 10 seconds for 60 days and thinned out now and then, as many are left as were promised."""
    written = [NOW + timedelta(seconds=10 * step) for step in range(0, 60 * 8_640, 7)]
    kept: list[tuple[CheckpointFile, datetime]] = []
    chance = random.Random(3)
    for size, at in enumerate(written):
        kept.append((CheckpointFile(size, folder.path), at))
        if chance.random() < 0.001:
            gone = set(surplus(kept, at))
            assert kept[-1][0] not in gone
            kept = [pair for pair in kept if pair[0] not in gone]
    end = written[-1]
    gone = set(surplus(kept, end))
    ages = [end - at for filed, at in kept if filed not in gone]
    assert sum(age <= timedelta(hours=1) for age in ages) == 3_600 // 70 + 1
    assert 22 * 60 < sum(timedelta(hours=1) < age <= timedelta(days=1) for age in ages) * 70 / 60 < 24 * 60 * 1.2
    assert sum(timedelta(days=1) < age <= timedelta(days=30) for age in ages) in range(29 * 24 - 2, 29 * 24 + 3)
    assert sum(timedelta(days=30) < age for age in ages) in range(29, 32)


def test_the_newest_is_kept_however_old(folder: CheckpointFolder) -> None:
    with folder.locked():
        for size in range(1, 6):
            filed = folder.write(size, b"%d" % size)
            os.utime(filed.path, (1, 1))
        assert folder.thin(NOW) == 3
        assert folder.thin(NOW) == 0
    assert [filed.size for filed in folder.all()] == [1, 5]


def test_the_key_is_made_once_and_is_private(checkpoint_keys: CheckpointKeys, folder: CheckpointFolder) -> None:
    with folder.locked():
        key = checkpoint_keys.signing_key()
        assert checkpoint_keys.signing_key() == key
    assert stat.S_IMODE(checkpoint_keys.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(checkpoint_keys.path.parent.stat().st_mode) == 0o700
    assert folder.first_key() == key.verifying_key
    assert key.name == f"credit-ledger/{ID}"
    assert [each.key for each in checkpoint_keys.trusted()] == [key.verifying_key]


def test_a_key_that_is_missing_or_another_is_not_replaced_silently(
    checkpoint_keys: CheckpointKeys, folder: CheckpointFolder
) -> None:
    with folder.locked():
        key = checkpoint_keys.signing_key()
        checkpoint_keys.path.unlink()
        with pytest.raises(KeyMissing, match=r"signs this ledger's checkpoints, but it is not in .*\.key"):
            checkpoint_keys.signing_key()
        write_file(checkpoint_keys.path, SigningKey.generate(key.name).secret_text.encode())
        with pytest.raises(KeyMissing):
            checkpoint_keys.signing_key()
        write_file(checkpoint_keys.path, b"scrap")
        with pytest.raises(BadNote, match="this is not a signing key"):
            checkpoint_keys.signing_key()
        (folder.path / "first-key").unlink()
        folder.write(1, checkpoint(1, key))
        with pytest.raises(BadNote, match="no first-key"):
            checkpoint_keys.signing_key()


def test_an_auditor_follows_from_the_first_key(checkpoint_keys: CheckpointKeys, folder: CheckpointFolder) -> None:
    with folder.locked():
        first = checkpoint_keys.signing_key()
        folder.write(10, checkpoint(10, first))
        for size in (10, 20):
            folder.write(size, checkpoint(size, checkpoint_keys.signing_key()))
            old = checkpoint_keys.signing_key()
            rotation = checkpoint_keys.rotate(NOW)
            assert (rotation.old, rotation.size) == (old.verifying_key, size)
            assert checkpoint_keys.signing_key().verifying_key == rotation.new != old.verifying_key
            assert old.secret_text not in "".join(path.read_text() for path in checkpoint_keys.path.parent.iterdir())
        folder.write(30, checkpoint(30, checkpoint_keys.signing_key()))
    keys = trusted_keys(first.verifying_key, folder.notices())
    assert [(each.first, each.last) for each in keys] == [(0, 10), (10, 20), (20, None)]
    assert [open_checkpoint(filed.path.read_bytes(), keys).size for filed in folder.all()] == [10, 20, 30]
    for filed, signers in zip(folder.all(), [2, 2, 1], strict=True):
        assert len(open_note(filed.path.read_bytes(), [each.key for each in keys]).keys) == signers
    forged = checkpoint(25, first)  # with a first key that was stolen after it was rotated
    with pytest.raises(BadNote, match="not in use"):
        open_checkpoint(forged, keys)


@pytest.mark.parametrize("killed_at", ["write_notice", "_hand_over"])
def test_a_rotation_that_was_cut_short(
    checkpoint_keys: CheckpointKeys, folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    """Before the notice is there the old key signs, after it the new one."""
    with folder.locked():
        old = checkpoint_keys.signing_key()
        folder.write(10, checkpoint(10, old))
        with monkeypatch.context() as patch:
            patch.setattr(folder if killed_at == "write_notice" else checkpoint_keys, killed_at, _killed)
            with pytest.raises(KeyboardInterrupt):
                checkpoint_keys.rotate(NOW)
    again = CheckpointKeys(checkpoint_keys.path.parent, folder)
    with folder.locked():
        key = again.signing_key()
    assert (key == old) == (killed_at == "write_notice")
    assert list(checkpoint_keys.path.parent.iterdir()) == [checkpoint_keys.path]
    assert [each.key for each in again.trusted()][-1] == key.verifying_key
    newest = (folder.path / "latest").read_bytes()
    assert key.verifying_key in open_note(newest, [key.verifying_key]).keys


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_lost_key_is_replaced_and_said_to_be(checkpoint_keys: CheckpointKeys, folder: CheckpointFolder) -> None:
    with folder.locked():
        lost = checkpoint_keys.signing_key()
        folder.write(10, checkpoint(10, lost))
        checkpoint_keys.path.unlink()
        replaced = checkpoint_keys.replace(NOW)
        assert replaced.old_lost
        new = checkpoint_keys.signing_key()
    assert [each.key for each in checkpoint_keys.trusted()] == [new.verifying_key]
    assert [each.key for each in trusted_keys(lost.verifying_key, folder.notices())] == [lost.verifying_key]
    [note] = folder.notices()
    assert isinstance(read_notice(text_of(note)), Rotation)


def test_a_missing_notice_is_noticed(checkpoint_keys: CheckpointKeys, folder: CheckpointFolder) -> None:
    with folder.locked():
        checkpoint_keys.signing_key()
        checkpoint_keys.rotate(NOW)
        checkpoint_keys.rotate(NOW)
        (folder.path / "notices" / "000001.notice").unlink()
        with pytest.raises(BadNote, match="notice 1 is missing"):
            checkpoint_keys.signing_key()


def test_what_a_note_has_on_disk_is_what_was_signed(folder: CheckpointFolder, checkpoint_keys: CheckpointKeys) -> None:
    with folder.locked():
        key = checkpoint_keys.signing_key()
        filed = folder.write(5, checkpoint(5, key))
    other = SigningKey.generate("witness.example/one")
    assert open_checkpoint(cosign(filed.path.read_bytes(), other), checkpoint_keys.trusted()).size == 5
