"""The name of a process, for `top` and `ps -o comm`: a fork has the command line of its program."""

import ctypes
import sys

_PR_SET_NAME = 15
"""See prctl(2)."""


def name_process(name: str) -> None:
    """Name this process, in at most 15 characters. Only Linux can do it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode())
