"""What `credit-ledger verify` is content with: signatures, as many as expected, from files that are files."""

import os
import shutil
from pathlib import Path

import pytest

from audit.export.bundle import EVENTS, KEY
from ledger.proof.notes import LARGEST_NOTE
from tests.proof.verifying import ALL, FIRST, SIGNED, Scene, run, told


def signed_part(bundle: Path) -> None:
    """Leave out of a bundle what no checkpoint covers."""
    keep_events(bundle, SIGNED)


def keep_events(bundle: Path, number: int) -> None:
    lines = (bundle / EVENTS).read_bytes().splitlines(keepends=True)
    (bundle / EVENTS).write_bytes(b"".join(lines[:number]))


def remove_checkpoints(bundle: Path, beyond: int = 0) -> None:
    """Remove the checkpoints that have more events; the newest of the others is the latest."""
    [folder] = (bundle / "checkpoints").iterdir()
    (folder / "latest").unlink()
    for path in sorted(folder.glob("*.checkpoint")):
        if int(path.stem) > beyond:
            path.unlink()
        else:
            shutil.copy(path, folder / "latest")


def test_all_signed_is_the_only_success(scene: Scene, bundle: Path) -> None:
    key = scene[0].key.text
    status, text = run(scene, str(bundle), "--key", key)
    assert (status, "no fault found, but the end is not signed" in text) == (4, True)
    status, text = run(scene, str(bundle), "--key", key, "--signed-only")
    assert (status, "No checkpoint covers 2 of the events" in text) == (1, True)
    assert told(scene, str(bundle), "--key", key, "--signed-only")["first"]["what"] == "unsigned"
    signed_part(bundle)
    assert run(scene, str(bundle), "--key", key, "--signed-only")[0] == 0
    assert run(scene, "--signed-only")[0] == 1
    assert [run(scene, "--account", account, "--signed-only")[0] for account in ("ada-0", "late")] == [0, 1]


@pytest.mark.parametrize("events", [0, ALL])
def test_no_checkpoint_is_no_success(scene: Scene, bundle: Path, events: int) -> None:
    """Neither of an emptied bundle nor of a whole log."""
    key = scene[0].key.text
    keep_events(bundle, events)
    remove_checkpoints(bundle)
    report = told(scene, str(bundle), "--key", key)
    assert (report["status"], report["events"], report["checkpoints"]) == ("unchecked", events, 0)
    assert run(scene, str(bundle), "--key", key)[0] == 3
    assert run(scene, str(bundle / EVENTS))[0] == 3


def test_a_cut_log_is_found_by_the_number_of_events_that_somebody_knows(scene: Scene, bundle: Path) -> None:
    key = scene[0].key.text
    size = min(scene[0].sizes)
    keep_events(bundle, size)
    remove_checkpoints(bundle, beyond=size)
    assert run(scene, str(bundle), "--key", key)[0] == 0, "nobody who has only this can tell"
    assert run(scene, str(bundle), "--key", key, "--at-least", str(size))[0] == 0
    report = told(scene, str(bundle), "--key", key, "--at-least", str(SIGNED))
    assert (report["status"], report["first"]["what"], report["first"]["position"]) == ("broken", "position", size + 1)
    assert (report["first"]["expected"], report["first"]["found"]) == (f"at least {SIGNED}", size)
    remove_checkpoints(bundle)
    assert run(scene, str(bundle), "--at-least", "1", "--key", key)[0] == 1
    assert run(scene, str(scene[0].statements[0]), "--at-least", str(ALL + 1), "--key", key)[0] == 1
    assert run(scene, "--at-least", str(SIGNED))[0] == 4
    assert run(scene, "--at-least", str(SIGNED + 1))[0] == 1


def test_a_cut_log_is_found_by_a_checkpoint_that_somebody_kept(scene: Scene, bundle: Path, tmp_path: Path) -> None:
    key, folder = scene[0].key.text, scene[0].exported
    older, newer = (str(path) for path in sorted(folder.glob("*.checkpoint")))
    keep_events(bundle, 55)
    remove_checkpoints(bundle, beyond=55)
    assert run(scene, str(bundle), "--key", key, "--since", older)[0] == 4
    first = told(scene, str(bundle), "--key", key, "--since", newer)["first"]
    assert (first["what"], first["position"]) == ("position", 56)
    log = str(bundle / EVENTS)
    assert run(scene, log, "--key", key, "--since", older)[0] == 4, "the checkpoint alone covers a part of the log"
    assert run(scene, log, "--key", key, "--since", newer)[0] == 1
    assert run(scene, log, "--since", older)[0] == 3, "nothing says whose signature to believe"
    forged = tmp_path / "forged"
    forged.write_bytes(Path(older).read_bytes().replace(b"\n%d\n" % FIRST, b"\n%d\n" % (FIRST - 1)))
    assert forged.read_bytes() != Path(older).read_bytes()
    assert told(scene, str(bundle), "--key", key, "--since", str(forged))["first"]["file"] == "forged"
    assert run(scene, "--since", newer)[0] == 4
    assert run(scene, "--since", str(forged))[0] == 1
    assert run(scene, str(bundle), "--since", str(tmp_path / "none"))[0] == 3
    assert run(scene, "--account", "ada-0", "--since", newer)[0] == 2
    assert run(scene, str(scene[0].statements[0]), "--since", newer)[0] == 3


def test_a_checkpoint_from_before_the_trusted_key_was_in_use_needs_the_key_of_its_time(
    scene: Scene, tmp_path: Path
) -> None:
    evidence, _ = scene
    newer = evidence.checkpoint_keys.signing_key().verifying_key
    older = min(evidence.exported.glob("*.checkpoint"))
    assert run(scene, str(evidence.bundle), "--key", evidence.key.text, "--since", str(older))[0] == 4
    assert run(scene, str(evidence.bundle), "--key", newer.text, "--since", str(older))[0] == 4, "both signed it"
    text, lines = older.read_text(), older.read_text().splitlines(keepends=True)
    old_only = tmp_path / "old"
    old_only.write_text("".join(lines[:-1]))
    assert text.count("\n— ") == 2
    assert told(scene, str(evidence.bundle), "--key", newer.text, "--since", str(old_only))["status"] == "broken"


@pytest.mark.parametrize("name", [KEY, EVENTS, "latest", "first-key", "000001.notice"])
def test_a_pipe_is_not_read(scene: Scene, bundle: Path, name: str) -> None:
    """It would be waited for, for ever."""
    [path] = bundle.rglob(name)
    path.unlink()
    os.mkfifo(path)
    assert run(scene, str(bundle), "--key", scene[0].key.text)[0] in {1, 3}
    assert run(scene, str(path))[0] == 3
    assert run(scene, str(bundle), "--since", str(path), "--key", scene[0].key.text)[0] in {1, 3}
    assert run(scene, "--key", str(path))[0] == 2


@pytest.mark.parametrize("name", [KEY, "latest", "first-key", "000001.notice"])
def test_a_file_without_end_is_not_read(scene: Scene, bundle: Path, name: str) -> None:
    [path] = bundle.rglob(name)
    with path.open("ab") as file:
        file.truncate(1 << 40)
    report = told(scene, str(bundle), "--key", scene[0].key.text)
    assert (report["status"], "bytes" in report["first"]["problem"]) == ("broken", True)


def test_a_note_has_a_size(scene: Scene, bundle: Path) -> None:
    [path] = bundle.rglob("latest")
    path.write_bytes(path.read_bytes() + b"x" * LARGEST_NOTE)
    report = told(scene, str(bundle), "--key", scene[0].key.text)
    assert "latest has more than 1,000,000 bytes" in report["first"]["words"]


def test_the_files_of_the_service_are_read_with_the_same_care(scene: Scene, tmp_path: Path) -> None:
    """Its own signing key too: a pipe in its place is a problem, and not silence."""
    evidence, _ = scene
    keys = evidence.checkpoint_keys
    kept = keys.path.read_bytes()
    keys.path.unlink()
    os.mkfifo(keys.path)
    try:
        with pytest.raises(Exception, match="not a regular file"):
            keys.signing_key()
    finally:
        keys.path.unlink()
        keys.path.write_bytes(kept)
