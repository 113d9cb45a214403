"""The machine, on a few lines: figures without it mean nothing."""

import os
import platform
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.progress import say
from benchmarks.stand import Stand, cores

QUIET = 0.5
"""Load average up to which a machine counts as quiet."""

_BLOCK = 8_192
_WRITES = 300


def load_average() -> float:
    """Of the last minute. Warns when others are at work."""
    load = os.getloadavg()[0]
    if load > QUIET:
        say(f"WARNING: the load average is {load:.2f}: something else is at work, believe ratios at most")
    return load


def describe(stand: Stand, load: float) -> str:
    """Everything about this machine that the figures depend on. `load` is from before the start."""
    sync = fdatasync_seconds(stand.folder) * 1e6
    return "\n".join(
        [
            f"- {hardware()}",
            f"- Python {platform.python_version()}, PostgreSQL {stand.show('server_version').split()[0]}; "
            f"fsync {stand.show('fsync')}, synchronous_commit {stand.show('synchronous_commit')}",
            f"- fdatasync of 8 kB in the data folder's file system ({_file_system(stand.folder)}): "
            f"{sync:.0f} µs, median of {_WRITES}",
            f"- load average before the start: {load:.2f}" + (f" (a quiet machine has {QUIET})" * (load > QUIET)),
        ]
    )


def hardware() -> str:
    """The machine alone, on one line."""
    return f"{cores()} cores ({_cpu()}), {_memory():.0f} GB of memory; Linux {platform.release()}"


def fdatasync_seconds(folder: Path, writes: int = _WRITES) -> float:
    """How long the disk takes to make one block durable: written over, as PostgreSQL writes its journal."""
    path = folder / "fdatasync"
    block = os.urandom(_BLOCK)
    path.write_bytes(block)
    times = []
    with path.open("r+b", buffering=0) as file:
        os.fsync(file)
        for _ in range(writes):
            began = perf_counter()
            os.pwrite(file.fileno(), block, 0)
            os.fdatasync(file.fileno())
            times.append(perf_counter() - began)
    path.unlink()
    return median(times)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def _memory() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def _file_system(folder: Path) -> str:
    """The type of the one that a folder is in."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    inside = [(place, kind) for place, kind in mounts if folder.resolve().is_relative_to(place)]
    kind = max(inside, key=lambda mount: len(mount[0]))[1]
    if kind in {"tmpfs", "ramfs"}:
        say(f"WARNING: {folder} is in memory, so nothing is durable there; use --folder")
    return kind
