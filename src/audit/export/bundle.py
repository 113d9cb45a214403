"""A bundle: all that an auditor needs to judge the log without this program's database, in one folder.

events.jsonl          the log
checkpoints/<id>/     the checkpoints of the ledger as they are, with the notices of its keys
verifying-key.txt     the key from which on they are judged; an auditor compares it with the one that he was told
"""

import shutil
from pathlib import Path

from audit.export.log_export import CannotContinue, Exported, export_log
from audit.export.sources import Source
from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.files import make_folder, write_file
from ledger.proof.notes import BadNote
from ledger.proof.signing_key import Custody
from ledger.store import ledger_id

EVENTS, CHECKPOINTS, KEY = "events.jsonl", "checkpoints", "verifying-key.txt"
"""What is in it."""


async def export_bundle(source: Source, checkpoints: Path, to: Path) -> Exported:
    """Write a bundle, or bring it up to date. Raises CannotContinue and OSError.

    The checkpoints come first and the end of the log after them, so that a bundle never has a checkpoint of events that
    it does not have, unless the log itself has lost them.
    """
    async with source.log.connection() as connection:
        folder = CheckpointFolder(checkpoints, await ledger_id(connection))
    key = _key_of(folder)
    make_folder(to)
    write_file(to / KEY, f"{key}\n".encode())
    _copy(folder.path, to / CHECKPOINTS)
    return await export_log(await source.up_to_date(), to / EVENTS, None)


def _key_of(folder: CheckpointFolder) -> str:
    """The key with which the judging begins."""
    try:
        trusted = Custody(folder.path, folder).trusted()
    except BadNote as problem:
        raise CannotContinue(f"the checkpoints cannot be copied: {problem}") from problem
    if not trusted:
        raise CannotContinue(f"there are no checkpoints in {folder.path}: `credit-ledger checkpoints sign` makes one")
    return trusted[0].key.text


def _copy(folder: Path, target: Path) -> None:
    """The folder as it is, in place of what was copied earlier; when it was written is kept. Raises OSError."""
    coming = target.with_name(f".{target.name}.part")
    shutil.rmtree(coming, ignore_errors=True)
    make_folder(coming / folder.name)
    for path in sorted(folder.rglob("*")):
        place = coming / folder.name / path.relative_to(folder)
        if path.is_dir():
            make_folder(place)
        elif not path.name.startswith("."):  # which a lock does, and a file that is not there yet
            _copy_file(path, place)
    shutil.rmtree(target, ignore_errors=True)
    coming.rename(target)


def _copy_file(path: Path, place: Path) -> None:
    """A file, unless it went meanwhile: old checkpoints are thinned out while the service runs."""
    try:
        shutil.copy2(path, place)
    except FileNotFoundError:
        if path.exists():
            raise
