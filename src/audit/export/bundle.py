"""A bundle: one folder with all that an auditor needs to verify the log without the database.

events.jsonl          the log
checkpoints/<id>/     a copy of the ledger's checkpoints and notices
verifying-key.txt     the first trusted key; auditors compare it with the key that the operator gave them
"""

import shutil
from pathlib import Path

from audit.export.log_export import CannotContinue, Exported, export_log
from audit.export.sources import Source
from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.files import make_folder, write_file
from ledger.proof.notes import BadNote
from ledger.proof.signing_key import CheckpointKeys
from ledger.store import ledger_id

EVENTS, CHECKPOINTS, KEY = "events.jsonl", "checkpoints", "verifying-key.txt"
"""The names of its files."""


async def export_bundle(source: Source, checkpoints: Path, to: Path) -> Exported:
    """Write a bundle, or update it. Raises CannotContinue and OSError.

    The checkpoints are copied before the end of the log is read. So a bundle has all events of its checkpoints, unless
    the log itself has lost some.
    """
    async with source.log.connection() as connection:
        folder = CheckpointFolder(checkpoints, await ledger_id(connection))
    key = _key_of(folder)
    make_folder(to)
    write_file(to / KEY, f"{key}\n".encode())
    _copy(folder.path, to / CHECKPOINTS)
    return await export_log(await source.up_to_date(), to / EVENTS, None)


def _key_of(folder: CheckpointFolder) -> str:
    """The first trusted key. Raises CannotContinue."""
    try:
        trusted = CheckpointKeys(folder.path, folder).trusted()
    except BadNote as problem:
        raise CannotContinue(f"the checkpoints cannot be copied: {problem}") from problem
    if not trusted:
        raise CannotContinue(f"there are no checkpoints in {folder.path}: `credit-ledger checkpoints sign` makes one")
    return trusted[0].key.text


def _copy(folder: Path, target: Path) -> None:
    """Copy the folder in place of the earlier copy, with the times of its files. Raises OSError."""
    temporary = target.with_name(f".{target.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    make_folder(temporary / folder.name)
    for path in sorted(folder.rglob("*")):
        place = temporary / folder.name / path.relative_to(folder)
        if path.is_dir():
            make_folder(place)
        elif not path.name.startswith("."):  # locks and temporary files begin with a dot
            _copy_file(path, place)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)


def _copy_file(path: Path, place: Path) -> None:
    """Copy a file, unless it was removed meanwhile: a running service thins out old checkpoints."""
    try:
        shutil.copy2(path, place)
    except FileNotFoundError:
        if path.exists():
            raise
