"""Who may use the embedded database and its files, and what its processes are told."""

import errno
import fcntl
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from api.runtime.embedded import folder_access
from api.runtime.embedded import lifetime as embedded
from api.runtime.embedded.lifetime import embedded_postgres
from api.runtime.embedded.server import EmbeddedPostgresError, packaged_programs, postmaster, server_in
from ledger.postgres.connecting import connect_async
from ledger.postgres.socket_logins import SocketLogins
from tests.postgres import quick_folder

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts it as somebody else")


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """A database that is stopped, with the rules that earlier versions had."""
    with quick_folder() as folder:
        with embedded_postgres(folder):
            pass
        (folder / "postgres" / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 trust\n")
        yield folder


def test_the_kernel_says_who_connects_and_nobody_does_over_a_network(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as conninfo, psycopg.connect(conninfo) as connection:
        rules = connection.execute("SELECT type, auth_method, error FROM pg_hba_file_rules").fetchall()
        assert set(rules) == {("local", "peer", None)}
        maps = connection.execute("SELECT sys_name, pg_username, error FROM pg_ident_file_mappings").fetchall()
        assert ("root", "all", None) in maps
        assert {name for name, _, _ in maps} <= {"root", "credit-ledger", pwd.getpwuid(os.getuid()).pw_name}
    for name in ("pg_hba.conf", "pg_ident.conf"):
        found = (data_dir / "postgres" / name).stat()
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert found.st_uid == (data_dir / "postgres").stat().st_uid


def test_no_secret_reaches_it(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_LEDGER_ADMIN_KEY", "a-secret-of-the-service")
    monkeypatch.setenv("ANOTHER_SECRET", "a-secret-of-somebody")
    with embedded_postgres(data_dir):
        process = postmaster(server_in(data_dir, packaged_programs()))
        environment = Path(f"/proc/{process}/environ").read_bytes()
    assert b"LC_ALL=C" in environment
    assert b"secret" not in environment


def test_its_locks_are_for_its_user(data_dir: Path) -> None:
    for name in ("postgres.lock", "postgres.users"):
        (data_dir / name).chmod(0o666)
    with embedded_postgres(data_dir):
        for name in ("postgres.lock", "postgres.users", "postgres.log"):
            assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["postgres.lock", "postgres.users"])
def test_a_lock_that_stays_taken_has_a_deadline(data_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(embedded, "LOCK_TIMEOUT", 0)
    with (data_dir / name).open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedPostgresError, match=f"has held the lock .*{name}"), embedded_postgres(data_dir):
            pass


async def test_what_the_process_could_become_is_told(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as conninfo:
        async with await connect_async(conninfo) as superuser:
            await superuser.execute("DROP ROLE IF EXISTS plain")
            await superuser.execute("CREATE ROLE plain LOGIN")
        async with await connect_async(conninfo, user="plain") as connection:
            [line] = await SocketLogins().of(connection)
    assert line.startswith("this process could connect as postgres, a superuser, through the Unix socket")


@as_root
def test_where_one_user_alone_cannot_be_let_in_the_start_names_a_better_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without access control lists; no folder is opened to everybody instead."""

    def unsupported(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "setxattr", unsupported)
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    modes = [path.stat().st_mode for path in (private, *private.parents)]
    with pytest.raises(EmbeddedPostgresError, match="/var/lib/credit-ledger"), embedded_postgres(private / "data"):
        pass
    assert [path.stat().st_mode for path in (private, *private.parents)] == modes


@as_root
def test_entry_for_one_user_leaves_all_others_where_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o750)
    one = pwd.getpwuid(65534)
    folder_access.allow_entry(one, folder)
    found = folder.stat()
    assert stat.S_IMODE(found.st_mode) == 0o750
    acl = folder_access._acl_of(folder)
    folder_access.allow_entry(one, folder)
    assert folder_access._acl_of(folder) == acl, "once is enough"
