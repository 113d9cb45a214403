"""Processes that must not outlive the one that started them: a parent that is killed cannot stop its children.

On Linux the kernel does it. Elsewhere such children stay, as any orphan does.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""See prctl(2)."""


def end_with(parent: int, number: signal.Signals) -> None:
    """From now on this process gets a signal when `parent` ends; and gets it now when that has happened already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)
