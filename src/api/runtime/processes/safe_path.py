"""The import path: only what is installed, and never the folder in which the program was started.

`python -m` and an empty or relative part of PYTHONPATH put that folder first. A folder `api` or `ledger` in it, which
anybody may have put there, would then be taken for the program.
"""

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

SAFE, PATH = "PYTHONSAFEPATH", "PYTHONPATH"
_EDITABLE = "__editable__"
"""The beginning of an entry that is no folder but a hook of an installed package."""


def use_safe_path(path: list[str], environ: MutableMapping[str, str]) -> None:
    """Remove from an import path what depends on the current folder, and let child processes do the same."""
    if path and not sys.flags.safe_path and path[0] == str(Path.cwd()):  # what `python -m` put there
        del path[0]
    path[:] = [entry for entry in path if Path(entry).is_absolute() or entry.startswith(_EDITABLE)]
    environ[SAFE] = "1"
    if PATH in environ:
        environ[PATH] = os.pathsep.join(part for part in environ[PATH].split(os.pathsep) if Path(part).is_absolute())
