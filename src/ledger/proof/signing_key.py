"""The signing key of a ledger: it is one file on the machine of the service, never in the database.

The verifying keys, and the notices that lead from one to the next, are in the checkpoint folder, where everybody may
read them. The caller holds the lock of the folder.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ledger.proof.checkpoint_folder import CheckpointFile, CheckpointFolder
from ledger.proof.files import make_folder, read_word, write_file
from ledger.proof.notes import LARGEST_KEY, BadNote, SigningKey, VerifyingKey, cosign, sign, text_of
from ledger.proof.notices import Abandonment, Rotation, Trusted, open_checkpoint, read_notice, trusted_keys


class KeyMissing(Exception):
    """The key that signs the folder's checkpoints is not on this machine; the message names its file."""


class CheckpointKeys:
    """The signing key of one ledger. Every method raises OSError, and BadNote for a file that cannot be read."""

    def __init__(self, signing: Path, folder: CheckpointFolder, signed: int = 0) -> None:
        self.folder = folder
        self.signed = signed
        """The size of the newest checkpoint that was ever signed for this database, as the database says."""
        self.path = signing / f"{folder.origin.rpartition('/')[2]}.key"
        self._next = self.path.with_suffix(".next")

    def signing_key(self) -> SigningKey:
        """The key in use, made when it is first needed. It finishes an interrupted rotation. Raises KeyMissing."""
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
            raise KeyMissing(f"the key {newest.text} signs this ledger's checkpoints, but it is not in {self.path}")
        return key

    def missing(self) -> str | None:
        """What is missing of a log that was signed before, and what to do; None when the folder has its first key.

        A container that was made anew has an empty folder: a new first key there would begin a second history.
        """
        if not self.signed or self.folder.first_key() is not None:
            return None
        return (
            f"checkpoints of up to {self.signed:,} events of this log were signed elsewhere, and "
            f"{self.folder.path / 'first-key'} is missing: put {self.folder.path} and {self.path} of the earlier "
            "installation back; if they are lost, run `credit-ledger checkpoints rotate-key --old-key-lost`"
        )

    def newest_key(self) -> VerifyingKey | None:
        """The verifying key of the key in use, according to the folder; None before there is a key."""
        for note in reversed(self.folder.notices()):
            notice = read_notice(text_of(note))
            if isinstance(notice, Rotation):
                return notice.new
        return self.folder.first_key()

    def trusted(self) -> list[Trusted]:
        """The trusted keys in the order of their use, from the first one or the last one that replaced a lost key."""
        begin, notices = self.folder.first_key(), self.folder.notices()
        for notice in map(read_notice, map(text_of, notices)):
            if isinstance(notice, Rotation) and notice.old_lost:
                begin = notice.new
        return trusted_keys(begin, notices) if begin else []

    def rotate(self, at: datetime) -> Rotation:
        """Hand over to a new key, and destroy the secret half of the old one. Raises KeyMissing."""
        old = self.signing_key()
        return self._change(old.verifying_key, [old], at)

    def replace(self, at: datetime) -> Rotation:
        """Hand over to a new key after the old one was lost. Raises KeyMissing when there never was one."""
        old = self.newest_key()
        if old is None:
            raise KeyMissing("no key was ever in use for this ledger")
        return self._change(old, [], at)

    def abandon(
        self, some: Sequence[CheckpointFile], beyond: int, reason: str, at: datetime
    ) -> tuple[Abandonment, Path]:
        """Write a notice that checkpoints no longer count, and move their files. Raises KeyMissing.

        `some` are the abandoned checkpoints, all larger than `beyond`; returns the notice and their new folder.
        """
        key = self.signing_key()
        newest = open_checkpoint(some[-1].note(), self.trusted())
        notice = Abandonment(len(self.folder.notices()) + 1, at, beyond, newest, reason)
        self.folder.write_notice(notice.number, sign(notice.text, [key]))
        return notice, self.folder.abandon(some, notice.number)

    def _first(self) -> SigningKey:
        missing = self.missing()
        if missing is not None and not self.folder.all():
            raise KeyMissing(missing)
        return self.begin()

    def begin(self) -> SigningKey:
        """Begin a folder that has no key, even if the log was signed before. Its earlier checkpoints are lost then."""
        if self.folder.all():
            raise BadNote(f"{self.folder.path} has checkpoints but no first-key, so nothing says which key may sign")
        key = _read(self.path)
        if key is None:
            key = SigningKey.generate(self.folder.origin)
            self._write(self.path, key)
        self.folder.write_first_key(key.verifying_key)
        return key

    def _change(self, old: VerifyingKey, signers: Sequence[SigningKey], at: datetime) -> Rotation:
        """Rotate. The notice decides: until it is written the old key signs, from then on the new one."""
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
        self._write(self._next, new)
        self.folder.write_notice(notice.number, sign(notice.text, [*signers, new]))
        self._hand_over(new)
        return notice

    def _hand_over(self, new: SigningKey) -> None:
        """Let the new key sign the newest checkpoint too, and put it in the place of the old key."""
        newest = self.folder.newest()
        if newest is not None:
            note = newest.note()
            if new.signature(text_of(note)) not in note.decode().split("\n"):
                self.folder.write(newest.size, cosign(note, new))
        self._next.replace(self.path)

    def _write(self, path: Path, key: SigningKey) -> None:
        make_folder(path.parent, mode=0o700)
        write_file(path, f"{key.secret_text}\n".encode(), mode=0o600)


def _read(path: Path) -> SigningKey | None:
    """The key in a file; None when there is no such file. Raises BadNote."""
    try:
        return SigningKey.parse(read_word(path, LARGEST_KEY))
    except FileNotFoundError:
        return None
    except BadNote as problem:
        raise BadNote(f"{path}: {problem}") from None
