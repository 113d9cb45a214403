"""Finds the checkpoint folder of a ledger. A path is that folder, or a folder with those of several ledgers."""

from pathlib import Path

from audit.verify.report import CannotVerify
from ledger.proof.checkpoint_folder import CheckpointFolder


def folder_in(path: Path, ledger_id: str | None = None) -> CheckpointFolder:
    """The checkpoint folder of a ledger, or of the only ledger if `ledger_id` is None. Raises CannotVerify."""
    if not path.is_dir():
        raise CannotVerify(f"there is no folder of checkpoints at {path}")
    if (path / "first-key").exists() or next(path.glob("*.checkpoint"), None):
        return CheckpointFolder(path.parent, path.name)
    inside = [each.name for each in path.iterdir() if each.is_dir() and ledger_id in {None, each.name}]
    if ledger_id is not None and not inside:
        raise CannotVerify(f"{path} has no checkpoints of the ledger {ledger_id}")
    if len(inside) != 1:
        raise CannotVerify(f"{path} has checkpoints of {len(inside)} ledgers; choose one folder with --checkpoints")
    return CheckpointFolder(path, inside[0])
