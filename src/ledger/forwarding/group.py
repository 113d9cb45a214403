"""The group: the workers of one start of the service, and where they meet."""

from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

LONGEST_FOLDER = 80
"""The longest path of a folder, in bytes, in which a Unix socket can have a name on any system."""
_SOCKET = "owner"


class Group(NamedTuple):
    """The workers of one start of the service. Other starts, on this machine or on others, are other groups."""

    folder: Path
    """A folder that only the user of the service can open."""
    name: str
    """What no other group is called."""

    @property
    def lock(self) -> int:
        """The number of the session lock that the owner of the log has."""
        digest = blake2b(f"ledger.owner:{self.name}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)

    @property
    def address(self) -> Path:
        """The Unix socket on which the owner listens."""
        return self.folder / _SOCKET
