"""Scheduling: the threads of a worker do not interrupt each other, and nobody else, when they wake up.

A request wakes three threads of its worker, one after the other. Each of them would take the core from the thread that
woke it, which is in the middle of the next request: more than one change of threads for every command.
"""

import os
from contextlib import suppress


def let_others_finish() -> None:
    """Make this thread, and those that it starts from now on, wait for a core until whoever has it waits or has used up
    its turn. Nothing else changes: they get as much time as others. Only Linux can do it."""
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
