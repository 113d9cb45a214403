"""Garbage collection, told what these processes are like: nothing of ours makes cycles, and much of it lives long."""

import gc


def tune_garbage_collection() -> None:
    """What was made until now stays; look for garbage seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
