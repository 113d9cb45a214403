"""Lets one user enter a folder, with an access control list (POSIX ACL), and opens the folder to nobody else.

Linux keeps the list in an extended attribute: a version, then entries of a tag, permissions and an id. The mask limits
what named users and groups may do; it is what `ls` shows as the permissions of the group.
"""

import os
import struct
import subprocess
from pathlib import Path
from pwd import struct_passwd

_ATTRIBUTE = "system.posix_acl_access"
_VERSION = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_ENTER = 1

Acl = dict[tuple[int, int], int]
"""Permissions by tag and id."""


def can_enter(user: struct_passwd, folder: Path) -> bool:
    """Whether a user may enter a folder, and all folders above it. Root asks by being that user for a moment."""
    command = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
    done = subprocess.run(  # noqa: S603 - our own command
        command, user=user.pw_uid, group=user.pw_gid, extra_groups=[], env={}, cwd="/", capture_output=True, check=False
    )
    return done.returncode == 0


def allow_entry(user: struct_passwd, folder: Path) -> None:
    """Give a user the right to enter one folder, without the right to list it. Raises OSError without ACLs."""
    acl = _acl_of(folder)
    named = (_USER, user.pw_uid)
    acl[named] = acl.get(named, 0) | _ENTER
    in_group = [permissions for (tag, _), permissions in acl.items() if tag in {_USER, _GROUP_OBJ, _GROUP}]
    mask = acl.get((_MASK, _NO_ID))
    acl[_MASK, _NO_ID] = _union(in_group) if mask is None else mask | _ENTER
    os.setxattr(folder, _ATTRIBUTE, _packed(acl))


def _union(several: list[int]) -> int:
    result = 0
    for permissions in several:
        result |= permissions
    return result


def _acl_of(folder: Path) -> Acl:
    """The list of a folder; without one, the list that says the same as its mode."""
    try:
        packed = os.getxattr(folder, _ATTRIBUTE)
    except OSError:
        mode = folder.stat().st_mode
        return {(_USER_OBJ, _NO_ID): mode >> 6 & 7, (_GROUP_OBJ, _NO_ID): mode >> 3 & 7, (_OTHER, _NO_ID): mode & 7}
    return {(tag, id_): permissions for tag, permissions, id_ in _ENTRY.iter_unpack(packed[_VERSION.size :])}


def _packed(acl: Acl) -> bytes:
    return _VERSION.pack(2) + b"".join(_ENTRY.pack(tag, acl[tag, id_], id_) for tag, id_ in sorted(acl))
