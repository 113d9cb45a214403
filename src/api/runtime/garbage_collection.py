"""Garbage collection that suits these processes: their objects form no cycles, and many of them live long."""

import gc


def tune_garbage_collection() -> None:
    """Exempt all present objects from collection, and collect rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
