"""The folder of a demo, and what is in it: nothing, a demo, half of one, or somebody's ledger, which is left alone."""

import shutil
from pathlib import Path
from typing import Literal

import psycopg

from api.demo.activities import ACTORS
from api.runtime.database import database, unchanged_database
from api.runtime.embedded.server import packaged_programs, postmaster, server_in
from api.runtime.settings import Settings
from ledger.postgres.connecting import connect
from ledger.postgres.named_sql import queries
from people.api_keys import list_keys

KEYS = "demo: "
"""How the names of the demo's keys begin. They are made when it is first served: a demo without them is half of one."""

Found = Literal["nothing", "demo", "half"]


class NotADemo(Exception):
    """The folder has something that the demo did not make; the message says what."""


def look(settings: Settings) -> Found:
    """What is in the data directory. Somebody's database is only read; a demo of an older program is migrated.

    Raises NotADemo and EmbeddedPostgresError.
    """
    folder = settings.data_dir
    if (folder / "postgres").exists():
        with unchanged_database(settings) as conninfo:
            if not _has_events(conninfo, folder):
                return "nothing"
            with database(settings) as service:
                return "demo" if any(key.name.startswith(KEYS) for key in list_keys(service)) else "half"
    # The files of a server that was never made are nobody's.
    if folder.exists() and any(not path.name.startswith("postgres.") for path in folder.iterdir()):
        raise NotADemo(f"{folder} has files that the demo did not make, and is left as it is")
    return "nothing"


def _has_events(conninfo: str, folder: Path) -> bool:
    """Whether a demo was begun. Raises NotADemo."""
    try:
        with connect(conninfo) as connection:
            first = connection.execute(queries("api.demo")["first_actor"]).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return False
    if first is not None and first[0] != ACTORS["open"]:
        raise NotADemo(f"the ledger in {folder} has events that the demo did not make, and is left as it is")
    return first is not None


def remove(folder: Path) -> None:
    """Remove a demo that nobody uses. Raises NotADemo while somebody does."""
    if postmaster(server_in(folder, packaged_programs())) is not None:
        raise NotADemo(f"the demo in {folder} is in use; stop it first")
    shutil.rmtree(folder)
