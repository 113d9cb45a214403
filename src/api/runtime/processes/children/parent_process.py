"""The end of a parent process ends its children: a parent that is killed cannot stop them itself.

On Linux the kernel sends them a signal. On other systems the children go on.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""See prctl(2)."""


def signal_at_end_of(parent: int, number: signal.Signals) -> None:
    """Let the kernel send this process a signal when `parent` ends, or now if it has ended already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)
