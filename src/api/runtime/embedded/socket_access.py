"""Who may connect to the embedded PostgreSQL: the users who can read its files anyway, through its socket only.

The kernel tells the server which user is at the other end of the socket (`peer`). A map says who of them may use which
login: the user of the service, the owner of the data and root may use all, other users none.
"""

import os
import pwd
from pathlib import Path

from api.runtime.embedded.server import EmbeddedPostgresError, Server, version

MAPS_TO_ALL_SINCE = 16
"""The first PostgreSQL whose map can name all logins."""
_HEAD = "# Written by credit-ledger at each start of the server: changes are lost.\n"
_MAP = "credit_ledger"


def write_access_rules(server: Server) -> None:
    """Write pg_hba.conf and pg_ident.conf, unless they are as they must be. The server must not run."""
    if version(server) < MAPS_TO_ALL_SINCE:  # not the packaged one
        return
    rules = f"local all all peer map={_MAP}\nlocal replication all peer map={_MAP}\n"
    _write(server, "pg_hba.conf", rules)
    _write(server, "pg_ident.conf", "".join(f'{_MAP} "{name}" all\n' for name in _users(server)))


def _users(server: Server) -> list[str]:
    """The names of root, of the user of this process, and of the owner of the data."""
    found = {0, os.geteuid(), server.data.stat().st_uid}
    try:
        return [pwd.getpwuid(user).pw_name for user in sorted(found)]
    except KeyError as error:
        raise EmbeddedPostgresError(f"a user of the embedded database has no name: {error}") from error


def _write(server: Server, name: str, content: str) -> None:
    path, text = server.data / name, _HEAD + content
    if path.exists() and path.read_text() == text:
        return
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    _as_the_data(server, temporary)
    temporary.replace(path)


def _as_the_data(server: Server, path: Path) -> None:
    """Give a file to the owner of the data, for nobody else to read."""
    path.chmod(0o600)
    if os.geteuid() == 0:
        found = server.data.stat()
        os.chown(path, found.st_uid, found.st_gid)
