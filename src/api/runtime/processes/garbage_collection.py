"""Garbage collection that suits these processes: their objects form no cycles, and many of them live long."""

import gc


def tune_garbage_collection() -> None:
    """Exempt all present objects from collection, and collect rarely.

    The young objects are few enough that a collection of them takes 20 ms, because it holds the event loop.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 5_000)
