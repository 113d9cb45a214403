"""Custody of the key that signs checkpoints: one file on the machine of the service, never in the database.

The verifying keys and how one came after another are in the checkpoint folder, for everybody. All of this is done while
the folder is locked.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ledger.proof.checkpoint_folder import CheckpointFile, CheckpointFolder
from ledger.proof.files import make_folder, write_file
from ledger.proof.notes import BadNote, SigningKey, VerifyingKey, cosign, sign, text_of
from ledger.proof.notices import Abandonment, Rotation, Trusted, open_checkpoint, read_notice, trusted_keys


class KeyMissing(Exception):
    """The folder's checkpoints are signed by a key that is not here; the message says which file it should be in."""


class Custody:
    """The key of one ledger. Everything here raises OSError, and BadNote for what cannot be read."""

    def __init__(self, signing: Path, folder: CheckpointFolder) -> None:
        self.folder = folder
        self.path = signing / f"{folder.origin.rpartition('/')[2]}.key"
        self._next = self.path.with_suffix(".next")

    def signing_key(self) -> SigningKey:
        """The key that signs now; made at first need. A rotation that was cut short is finished. Raises KeyMissing."""
        newest = self.newest_key()
        if newest is None:
            return self._first()
        key, coming = _read(self.path), _read(self._next)
        if coming is not None and coming.verifying_key == newest:
            self._hand_over(coming)
            key = coming
        elif coming is not None:
            self._next.unlink()
        if key is None or key.verifying_key != newest:
            raise KeyMissing(f"the key {newest.text} signs this ledger's checkpoints, and it is not in {self.path}")
        return key

    def newest_key(self) -> VerifyingKey | None:
        """The verifying key of the key in use, as the folder has it; None before there is one."""
        for note in reversed(self.folder.notices()):
            notice = read_notice(text_of(note))
            if isinstance(notice, Rotation):
                return notice.new
        return self.folder.first_key()

    def trusted(self) -> list[Trusted]:
        """The keys in the order of their use, from the first one, or from the last one that replaced a lost key."""
        begin, notices = self.folder.first_key(), self.folder.notices()
        for notice in map(read_notice, map(text_of, notices)):
            if isinstance(notice, Rotation) and notice.old_lost:
                begin = notice.new
        return trusted_keys(begin, notices) if begin else []

    def rotate(self, at: datetime) -> Rotation:
        """Hand over to a new key, and destroy the private half of the old one. Raises KeyMissing."""
        old = self.signing_key()
        return self._change(old.verifying_key, [old], at)

    def replace(self, at: datetime) -> Rotation:
        """Hand over to a new key in place of one that was lost. Raises KeyMissing when there never was one."""
        old = self.newest_key()
        if old is None:
            raise KeyMissing("no key was ever in use for this ledger")
        return self._change(old, [], at)

    def abandon(
        self, some: Sequence[CheckpointFile], beyond: int, reason: str, at: datetime
    ) -> tuple[Abandonment, Path]:
        """Say that some checkpoints do not count any more, and move them. Raises KeyMissing."""
        key = self.signing_key()
        newest = open_checkpoint(some[-1].path.read_bytes(), self.trusted())
        notice = Abandonment(len(self.folder.notices()) + 1, at, beyond, newest, reason)
        self.folder.write_notice(notice.number, sign(notice.text, [key]))
        return notice, self.folder.abandon(some, notice.number)

    def _first(self) -> SigningKey:
        if self.folder.all():
            raise BadNote(f"{self.folder.path} has checkpoints and no first-key: nothing says who may sign them")
        key = _read(self.path)
        if key is None:
            key = SigningKey.generate(self.folder.origin)
            self._keep(self.path, key)
        self.folder.write_first_key(key.verifying_key)
        return key

    def _change(self, old: VerifyingKey, signers: Sequence[SigningKey], at: datetime) -> Rotation:
        """The notice is what counts: before it the old key signs, after it the new one, whatever is killed between."""
        new = SigningKey.generate(self.folder.origin)
        newest = self.folder.newest()
        notice = Rotation(
            len(self.folder.notices()) + 1,
            at,
            newest.size if newest else 0,
            old,
            new.verifying_key,
            old_lost=not signers,
        )
        self._keep(self._next, new)
        self.folder.write_notice(notice.number, sign(notice.text, [*signers, new]))
        self._hand_over(new)
        return notice

    def _hand_over(self, new: SigningKey) -> None:
        """The new key vouches for the newest checkpoint too, and takes the place of the old one."""
        newest = self.folder.newest()
        if newest is not None:
            note = newest.path.read_bytes()
            if new.signature(text_of(note)) not in note.decode().split("\n"):
                self.folder.write(newest.size, cosign(note, new))
        self._next.replace(self.path)

    def _keep(self, path: Path, key: SigningKey) -> None:
        make_folder(path.parent, mode=0o700)
        write_file(path, f"{key.secret_text}\n".encode(), mode=0o600)


def _read(path: Path) -> SigningKey | None:
    """The key in a file; None when there is no file. Raises BadNote."""
    try:
        return SigningKey.parse(path.read_text().rstrip("\n"))
    except FileNotFoundError:
        return None
    except BadNote as problem:
        raise BadNote(f"{path}: {problem}") from None
