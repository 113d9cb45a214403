"""Garbage collection that suits these processes: their objects form no cycles, and many of them live long."""

import gc


def tune_garbage_collection() -> None:
    """Exempt all present objects from collection, and collect rarely.

    A collection holds the event loop, so it looks at 20,000 young objects at most: that takes five milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 1, 15_000)
