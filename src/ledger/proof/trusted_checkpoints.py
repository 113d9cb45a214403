"""Verifies the keys, notices and checkpoints of a folder before a log is verified with them.

This is stricter than a reader of signed notes must be: every byte counts, so an unknown signature is an error.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ledger.proof.checkpoint import Checkpoint, read_checkpoint
from ledger.proof.checkpoint_folder import CheckpointFile, CheckpointFolder
from ledger.proof.files import read_file
from ledger.proof.notes import LARGEST_NOTE, BadNote, Opened, VerifyingKey, open_note, text_of
from ledger.proof.notices import Abandonment, Notice, Rotation, Trusted, open_checkpoint, read_notice, trusted_keys
from ledger.proof.walk import Breach, Place


class Trust(NamedTuple):
    """The keys that may sign, and the notices that lead from one to the next."""

    trusted: tuple[Trusted, ...]
    """The trusted keys, and the keys to which they handed over."""
    known: tuple[VerifyingKey, ...]
    """Also all other keys that notices name. Their signatures can be verified, but prove nothing by themselves."""
    notices: tuple[bytes, ...]

    def open(self, note: bytes) -> Opened:
        """Open a note in which every signature is valid and of a known key. Raises BadNote."""
        opened = open_note(note, self.known)
        lines = note[len(opened.text.encode()) + 1 :].count(b"\n")
        if lines != len(opened.keys):
            raise BadNote("it has a signature of a key that no notice names, or one signature twice")
        return opened

    def checkpoint(self, note: bytes) -> Checkpoint | None:
        """The checkpoint in a note; None when it is older than the first trusted key. Raises BadNote."""
        return self._in_use(note, read_checkpoint(self.open(note).text))

    def kept_checkpoint(self, note: bytes) -> Checkpoint | None:
        """The same for a note that a reader kept. It may have signatures of keys that no notice here names."""
        return self._in_use(note, read_checkpoint(open_note(note, self.known).text))

    def _in_use(self, note: bytes, checkpoint: Checkpoint) -> Checkpoint | None:
        try:
            return open_checkpoint(note, self.trusted)
        except BadNote:
            if checkpoint.size < min(each.first for each in self.trusted):
                return None
            raise


class TrustedCheckpoints(NamedTuple):
    """What the folder proves: the trusted keys, and the checkpoints that they signed."""

    trust: Trust
    checkpoints: tuple[Checkpoint, ...]
    """The valid checkpoints, the smallest first."""
    passed_over: int
    """The number of checkpoints that are older than the first trusted key, and so prove nothing."""


def own_keys(folder: CheckpointFolder) -> list[VerifyingKey]:
    """The keys that a ledger itself trusts: its first one, and those that replaced a lost one.

    Raises Breach and OSError.
    """
    with _placed("first-key"):
        first = folder.first_key()
    with _placed("notices"):
        notes = folder.notices()
    notices = _read_all(notes)
    replaced = [notice.new for notice in notices if isinstance(notice, Rotation) and notice.old_lost]
    return [*([first] if first else []), *replaced]


def trust(keys: Sequence[VerifyingKey], notices: Sequence[bytes]) -> Trust:
    """The keys to trust for a reader who trusts `keys`. Raises Breach when a notice is invalid."""
    named = [key for notice in _read_all(notices) if isinstance(notice, Rotation) for key in (notice.old, notice.new)]
    for key in keys:
        if named and key not in named:
            raise Breach("checkpoint", Place(file="notices"), f"the trusted key {key.text} is not a key of this ledger")
    result = Trust((), tuple(dict.fromkeys([*keys, *named])), tuple(notices))
    for number, note in enumerate(notices, 1):
        with _placed(f"notice {number}"):
            result.open(note)
    with _placed("notices"):
        found = dict.fromkeys(each for key in keys for each in trusted_keys(key, notices))
    return result._replace(trusted=tuple(found))


def _read_all(notices: Sequence[bytes]) -> list[Notice]:
    read = []
    for number, note in enumerate(notices, 1):
        with _placed(f"notice {number}"):
            read.append(read_notice(text_of(note)))
    return read


def read_trusted_checkpoints(folder: CheckpointFolder, keys: Sequence[VerifyingKey]) -> TrustedCheckpoints:
    """Verify a whole folder for a reader who trusts `keys` (at least one). Raises Breach and OSError."""
    with _placed("notices"):
        notices = folder.notices()
    trusted = trust(keys, notices)
    _check_first_key(folder, trusted)
    found: dict[Path, Checkpoint | None] = {}
    latest, filed = folder.path / "latest", folder.all()
    for path in (*(one.path for one in filed), latest):  # the latest is written before the others, so it is read last
        _add(found, path, trusted)
    _check_latest(found, latest, filed)
    for one in filed:
        checkpoint = found.get(one.path)
        if checkpoint is not None and checkpoint.size != one.size:
            raise Breach("checkpoint", Place(file=one.path.name), "its name gives another size")
    _check_abandoned(folder, trusted)
    counted = sorted({each for each in found.values() if each is not None}, key=lambda each: each.size)
    return TrustedCheckpoints(
        trusted, tuple(counted), sum(one is None for path, one in found.items() if path != latest)
    )


def read_kept_checkpoint(path: Path, trusted: Trust) -> Checkpoint | None:
    """The checkpoint in a file that a reader kept; None when it is older than the first trusted key.

    Raises Breach and OSError.
    """
    with _placed(path.name):
        return trusted.kept_checkpoint(read_file(path, LARGEST_NOTE))


def _add(found: dict[Path, Checkpoint | None], path: Path, trusted: Trust) -> None:
    with _placed(path.name):
        try:
            note = read_file(path, LARGEST_NOTE)
        except FileNotFoundError:  # it was thinned out meanwhile, or never existed
            return
        found[path] = trusted.checkpoint(note)


def _check_latest(found: Mapping[Path, Checkpoint | None], latest: Path, filed: Sequence[CheckpointFile]) -> None:
    """Check that the file `latest` is not an older checkpoint, which readers of that file alone would believe."""
    checkpoint, newest = found.get(latest), filed[-1].size if filed else 0
    if checkpoint is not None and checkpoint.size < newest:
        raise Breach("checkpoint", Place(file="latest"), "it is not the newest checkpoint", newest, checkpoint.size)


def _check_first_key(folder: CheckpointFolder, trusted: Trust) -> None:
    """Check the file `first-key`. Verification does not need it, but readers who trust the machine start from it."""
    with _placed("first-key"):
        found = folder.first_key()
    rotations = [notice for note in trusted.notices if isinstance(notice := read_notice(text_of(note)), Rotation)]
    expected = rotations[0].old if rotations else trusted.known[0]
    if found is not None and found != expected:
        raise Breach("checkpoint", Place(file="first-key"), "it is not the first key", expected.text, found.text)


def _check_abandoned(folder: CheckpointFolder, trusted: Trust) -> None:
    """Check that abandoned checkpoints still have valid signatures, and that a notice abandons each."""
    for path in sorted((folder.path / "forsaken").glob("*/*.checkpoint")):
        with _placed(f"forsaken/{path.parent.name}/{path.name}"):
            checkpoint = read_checkpoint(trusted.open(read_file(path, LARGEST_NOTE)).text)
            number = int(path.parent.name)
            notice = read_notice(text_of(trusted.notices[number - 1])) if 0 < number <= len(trusted.notices) else None
            if not isinstance(notice, Abandonment) or not notice.beyond < checkpoint.size <= notice.newest.size:
                raise BadNote("no notice abandons it")


@contextmanager
def _placed(file: str) -> Iterator[None]:
    """Turn an error about a note into a Breach with the name of its file."""
    try:
        yield
    except (BadNote, ValueError) as problem:
        raise Breach("checkpoint", Place(file=file), str(problem)) from problem
