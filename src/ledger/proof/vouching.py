"""What vouches for a log: the keys, notices and checkpoints of a folder, judged before anything is judged by them.

Stricter than a reader of signed notes has to be: every byte counts, so a signature that nobody can check is not passed
over.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ledger.proof.checkpoint import Checkpoint, read_checkpoint
from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.notes import BadNote, Opened, VerifyingKey, open_note, text_of
from ledger.proof.notices import Abandonment, Notice, Rotation, Trusted, open_checkpoint, read_notice, trusted_keys
from ledger.proof.walk import Breach, Place


class Trust(NamedTuple):
    """The keys that may vouch, with the notices that lead from one to the next."""

    trusted: tuple[Trusted, ...]
    """Those that are trusted, and those for which they vouch."""
    known: tuple[VerifyingKey, ...]
    """All that the notices name too: their signatures can be checked, which alone proves nothing."""
    notices: tuple[bytes, ...]

    def open(self, note: bytes) -> Opened:
        """A note in which every signature is one of a known key, and right. Raises BadNote."""
        opened = open_note(note, self.known)
        lines = note[len(opened.text.encode()) + 1 :].count(b"\n")
        if lines != len(opened.keys):
            raise BadNote("it has a signature of a key that no notice names, or one signature twice")
        return opened

    def checkpoint(self, note: bytes) -> Checkpoint | None:
        """The checkpoint that a note is. None for one of the time before the first trusted key. Raises BadNote."""
        checkpoint = read_checkpoint(self.open(note).text)
        try:
            return open_checkpoint(note, self.trusted)
        except BadNote:
            if checkpoint.size < min(each.first for each in self.trusted):
                return None
            raise


class Vouched(NamedTuple):
    """What a folder has to say of a log."""

    trust: Trust
    checkpoints: tuple[Checkpoint, ...]
    """The smallest first."""
    passed_over: int
    """Checkpoints of the time before the first trusted key: they prove nothing to whoever trusts only that."""


def own_keys(folder: CheckpointFolder) -> list[VerifyingKey]:
    """The keys that a ledger itself trusts: its first one, and those that came in the place of a lost one.

    Raises Breach, and OSError.
    """
    with _placed("first-key"):
        first = folder.first_key()
    with _placed("notices"):
        notes = folder.notices()
    notices = _read_all(notes)
    replaced = [notice.new for notice in notices if isinstance(notice, Rotation) and notice.old_lost]
    return [*([first] if first else []), *replaced]


def trust(keys: Sequence[VerifyingKey], notices: Sequence[bytes]) -> Trust:
    """Whom to trust for somebody who trusts these keys. Raises Breach when a notice is not what it has to be."""
    named = [key for notice in _read_all(notices) if isinstance(notice, Rotation) for key in (notice.old, notice.new)]
    for key in keys:
        if named and key not in named:
            raise Breach(
                "checkpoint", Place(file="notices"), f"the key {key.text}, which is trusted, is none of this ledger's"
            )
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


def judge(folder: CheckpointFolder, keys: Sequence[VerifyingKey]) -> Vouched:
    """Everything in a folder, for somebody who trusts these keys (at least one). Raises Breach, and OSError."""
    with _placed("notices"):
        notices = folder.notices()
    whom = trust(keys, notices)
    _check_first_key(folder, whom)
    found: dict[Path, Checkpoint | None] = {}
    latest = folder.path / "latest"  # before the others: what is signed meanwhile is not missing among them
    for path in (latest, *(filed.path for filed in folder.all())):
        _add(found, path, whom)
    for filed in folder.all():
        checkpoint = found.get(filed.path)
        if checkpoint is not None and checkpoint.size != filed.size:
            raise Breach("checkpoint", Place(file=filed.path.name), "it is under the name of another size")
    _check_forsaken(folder, whom)
    counted = sorted({one for one in found.values() if one is not None}, key=lambda one: one.size)
    return Vouched(whom, tuple(counted), sum(one is None for path, one in found.items() if path != latest))


def _add(found: dict[Path, Checkpoint | None], path: Path, whom: Trust) -> None:
    try:
        note = path.read_bytes()
    except FileNotFoundError:  # thinned out meanwhile, or there never was one
        return
    with _placed(path.name):
        found[path] = whom.checkpoint(note)


def _check_first_key(folder: CheckpointFolder, whom: Trust) -> None:
    """The file from which whoever trusts the machine begins is not needed here, and has to be right all the same."""
    with _placed("first-key"):
        found = folder.first_key()
    rotations = [notice for note in whom.notices if isinstance(notice := read_notice(text_of(note)), Rotation)]
    expected = rotations[0].old if rotations else whom.known[0]
    if found is not None and found != expected:
        raise Breach("checkpoint", Place(file="first-key"), "it is another key", expected.text, found.text)


def _check_forsaken(folder: CheckpointFolder, whom: Trust) -> None:
    """Checkpoints that do not count any more are still what was signed, and a notice says that they do not count."""
    for path in sorted((folder.path / "forsaken").glob("*/*.checkpoint")):
        with _placed(f"forsaken/{path.parent.name}/{path.name}"):
            checkpoint = read_checkpoint(whom.open(path.read_bytes()).text)
            number = int(path.parent.name)
            notice = read_notice(text_of(whom.notices[number - 1])) if 0 < number <= len(whom.notices) else None
            if not isinstance(notice, Abandonment) or not notice.beyond < checkpoint.size <= notice.newest.size:
                raise BadNote("no notice says that it is forsaken")


@contextmanager
def _placed(file: str) -> Iterator[None]:
    """What is wrong with a note is said with the name of its file."""
    try:
        yield
    except (BadNote, ValueError) as problem:
        raise Breach("checkpoint", Place(file=file), str(problem)) from problem
