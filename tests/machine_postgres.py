"""The PostgreSQL of the machine, Debian's: the second server that tests run against.

    with embedded_postgres(folder, machine_programs()) as conninfo: ...

As root, `folder` must not be below pytest's tmp_path: every other pytest session of root closes that
one to all other users, the database's among them.
"""

import os
from pathlib import Path

VARIABLE = "CREDIT_LEDGER_TEST_POSTGRES_BIN"


def machine_programs() -> Path | None:
    """The folder with its `initdb`: the one that the variable names, else Debian's newest, or None.

    A variable that names no such folder is an error and not a reason to test less.
    """
    if named := os.environ.get(VARIABLE):
        if not (Path(named) / "initdb").is_file():
            raise FileNotFoundError(f"{VARIABLE}={named}: there is no initdb in it")
        return Path(named)
    found = [file.parent for file in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda programs: int(programs.parent.name), default=None)
