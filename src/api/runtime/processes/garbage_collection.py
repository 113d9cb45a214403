"""Garbage collection that suits these processes: their objects form no cycles, and many of them live long."""

import gc
from importlib import import_module
from types import ModuleType


def tune_garbage_collection() -> None:
    """Exempt all present objects from collection, and collect rarely.

    A collection holds the event loop, so it looks at 20,000 young objects at most: that takes five milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 1, 15_000)


def tune_collection_of_worker() -> None:
    """The same in a worker process of the server. A process that runs the application beside other work keeps its own:
    it would never be rid of the garbage of that work."""
    from multiprocessing import parent_process  # late: the command line needs nothing of it

    if parent_process() is not None:
        tune_garbage_collection()


def import_without_collection(name: str) -> ModuleType:
    """Import a module. Nothing is collected meanwhile: what an import makes stays, and collections that find no garbage
    would take a tenth of its processor time. Raises what the import raises."""
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.enable()
