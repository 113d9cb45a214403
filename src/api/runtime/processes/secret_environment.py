"""Secrets leave the environment once they are read.

Programs that are started later do not inherit them then. What a process was started with stays visible in
/proc/<id>/environ, for itself and for each process forked from it, unless the memory is overwritten.
"""

import ctypes
import os


def remove(*names: str) -> None:
    """Remove variables from the environment, and their values from the memory that /proc shows."""
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    for name in names:
        while (address := libc.getenv(name.encode())) is not None:
            ctypes.memset(address, ord("x"), len(ctypes.string_at(address)))
            libc.unsetenv(name.encode())
        os.environ.pop(name, None)
