"""A restored older backup, a log that was cut off, another history: a real service notices before it serves."""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.runtime.database import as_url
from api.runtime.embedded.lifetime import embedded_postgres
from api.runtime.embedded.server import packaged_programs
from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.notes import VerifyingKey, text_of
from ledger.proof.notices import Abandonment, open_checkpoint, read_notice, trusted_keys
from tests.commands import Finished, command, in_a_process
from tests.dashboard.proxies import ROOT, recipes
from tests.long_form import LONG
from tests.postgres import TestServer, owner
from tests.proof.logs import cut_off, folder_of
from tests.service import Service, free_port, running_service, service_here

_EMPTY = "URL_OF_THE_OWNER_AND_AN_EMPTY_DATABASE"
SETTINGS = {"CREDIT_LEDGER_CHECKPOINT_SECONDS": "0.2"}


def run(conninfo: str, where: Path, *words: str) -> Finished:
    """Any `credit-ledger` command, to its end."""
    settings = {"CREDIT_LEDGER_DATA_DIR": str(where / "data"), "CREDIT_LEDGER_LOG_LEVEL": "error"}
    runs = in_a_process if words[0] == "serve" else command
    return runs(conninfo, *words, settings=settings)


def told(conninfo: str, where: Path, *words: str) -> Any:
    """What `credit-ledger checkpoints` answers to a program."""
    done = run(conninfo, where, "checkpoints", *words, "--json")
    assert done.status == 0, done.err
    return done.report


def eventually(condition: Callable[[], bool], patience: float = 240) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def state(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = service.get("/readyz").json()["checkpoints"]
    return found


def covered(service: Service) -> bool:
    found = state(service)
    return bool(found["holds"]) and found["size"] == found["position"]


def live(conninfo: str, where: Path, accounts: int, **settings: str) -> int:
    """A service that opens some accounts and stops; returns where the log ends then."""
    with service_here(conninfo, where, settings={**SETTINGS, **settings}) as service:
        for _ in range(accounts):
            service.open_account(subscription=5, permanent=7)
        eventually(lambda: covered(service))
        return int(state(service)["position"])


def dump_and_restore(conninfo: str, restored: str, where: Path) -> None:
    """With the commands of the manual, as the owner."""
    [block] = [one for one in recipes("text") if one.startswith("pg_dump")]
    assert block.count(_EMPTY) == 1
    environment = {
        "PATH": f"{packaged_programs()}:{os.environ['PATH']}",
        "CREDIT_LEDGER_OWNER_URL": as_url(owner(conninfo)),
    }
    commands = block.replace(_EMPTY, shlex.quote(as_url(owner(restored))))
    subprocess.run(["bash", "-ec", commands], cwd=where, env=environment, check=True)


def test_a_restored_older_backup(database: str, server: TestServer, tmp_path: Path) -> None:
    """It is not served until an operator has said that it shall count; then everything goes on, and can be followed."""
    with server.database("template0") as restored:
        backed_up = live(database, tmp_path, 3)
        first_key = told(database, tmp_path, "key")["keys"][0]["key"]
        dump_and_restore(database, restored, tmp_path)
        end = live(database, tmp_path, 4)
        folder = folder_of(restored, tmp_path / "data")
        assert folder.path == folder_of(database, tmp_path / "data").path
        kept = {filed.size: filed.path.read_bytes() for filed in folder.all()}
        assert max(kept) == end > backed_up

        refused = run(restored, tmp_path, "serve", "--port", str(free_port()))
        assert refused.status == 1
        [line] = refused.err.splitlines()
        assert line.startswith(
            f"credit-ledger: the log ends at position {backed_up}, and the checkpoint has {end} events in "
        )
        assert folder.all()[-1].path.name in line
        assert f"`credit-ledger checkpoints abandon --beyond {backed_up} --reason TEXT`" in line

        wrong = run(restored, tmp_path, "checkpoints", "abandon", "--beyond", "1", "--reason", "hasty")
        assert wrong.status == 1
        assert f"the newest matching checkpoint has {backed_up} events: use --beyond {backed_up}\n" in wrong.err
        past = run(restored, tmp_path, "checkpoints", "abandon", "--beyond", str(backed_up + 1), "--reason", "hasty")
        assert (past.status, past.err) == (1, wrong.err)
        beyond = ["abandon", "--beyond", str(backed_up), "--reason", "the disk of 1 March"]
        done = told(restored, tmp_path, *beyond)
        again = run(restored, tmp_path, "checkpoints", *beyond)
        assert again.status == 1
        assert "there is none to abandon" in again.err

        live(restored, tmp_path, 1)
        _assert_nothing_was_lost_of_the_evidence(folder, Path(done["folder"]), kept, backed_up)
        _assert_all_verify_from_the_first_key(folder, first_key)

        other = run(database, tmp_path, "serve", "--port", str(free_port()))  # the server that was given up comes back
        assert other.status == 1
        assert "events of the log are not those of the checkpoint" in other.err
        assert f"the log still matches the checkpoint of {backed_up} events" in other.err


def _assert_nothing_was_lost_of_the_evidence(
    folder: CheckpointFolder, abandoned: Path, kept: dict[int, bytes], backed_up: int
) -> None:
    moved = {int(path.stem): path.read_bytes() for path in abandoned.iterdir()}
    assert moved == {size: note for size, note in kept.items() if size > backed_up}
    [note] = folder.notices()
    notice = read_notice(text_of(note))
    assert isinstance(notice, Abandonment)
    assert (notice.beyond, notice.newest.size, notice.reason) == (backed_up, max(kept), "the disk of 1 March")


def _assert_all_verify_from_the_first_key(folder: CheckpointFolder, first_key: str) -> None:

    keys = trusted_keys(VerifyingKey.parse(first_key), folder.notices())
    for filed in folder.all():
        assert open_checkpoint(filed.path.read_bytes(), keys).size == filed.size


def test_a_log_that_is_cut_off_under_a_running_service(database: str, tmp_path: Path) -> None:
    with service_here(database, tmp_path, settings=SETTINGS) as service:
        service.open_account(permanent=7)
        eventually(lambda: covered(service))
        size = f"credit_ledger_checkpoint_size {state(service)['size']}.0"
        eventually(lambda: size in service.get("/metrics").text)
        metrics = service.get("/metrics").text
        assert "credit_ledger_checkpoint_problem 0.0" in metrics
        assert "credit_ledger_checkpoint_age_seconds" in metrics
        cut_off(database, 1)
        answer = service.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["checkpoints"] is False
        assert answer.json()["checkpoints"]["holds"] is False
        assert "the log ends at position 1, and the checkpoint has 2 events" in answer.json()["checkpoints"]["problem"]
        assert "credit_ledger_checkpoint_problem 1.0" in service.get("/metrics").text
        eventually(
            lambda: "ERROR credit_ledger.checkpoints: no checkpoint is signed: the log ends" in service.log.read_text()
        )


def test_a_service_whose_folder_cannot_be_written_goes_on_and_says_so(database: str, tmp_path: Path) -> None:
    place = tmp_path / "a-file"
    place.write_text("not a folder")
    with service_here(database, tmp_path, settings={**SETTINGS, "CREDIT_LEDGER_CHECKPOINT_DIR": str(place)}) as service:
        service.open_account(permanent=7)
        eventually(lambda: state(service)["problem"] is not None)
        answer = service.get("/readyz")
        assert answer.status_code == 200
        assert answer.json()["checkpoints"]["holds"] is None
        assert "be " in answer.json()["checkpoints"]["problem"]
        assert "no checkpoint" in service.log.read_text()


def test_the_key_is_rotated_beside_a_running_service(database: str, tmp_path: Path) -> None:
    with running_service(database, tmp_path, settings=SETTINGS) as service:
        service.open_account(permanent=7)
        eventually(lambda: covered(service))
        [before] = told(database, tmp_path, "key")["keys"]
        rotated = told(database, tmp_path, "rotate-key")
        assert rotated["old"] == before["key"]
        service.open_account(permanent=7)
        eventually(lambda: covered(service))
        keys = told(database, tmp_path, "key")["keys"]
        assert [each["key"] for each in keys] == [before["key"], rotated["new"]]
        folder = folder_of(database, tmp_path / "data")
        _assert_all_verify_from_the_first_key(folder, before["key"])
        assert told(database, tmp_path, "sign")["size"] == state(service)["position"]
        listed = told(database, tmp_path, "list")["checkpoints"]
        assert [one["size"] for one in listed] == [filed.size for filed in folder.all()]


def test_wrong_options_and_nothing_to_sign(database: str, tmp_path: Path) -> None:
    wrong = run(database, tmp_path, "checkpoints", "abandon", "--beyond", "0", "--reason", "two\nlines")
    assert (wrong.status, "one line of 1 to 500 characters" in wrong.err) == (2, True)
    assert told(database, tmp_path, "sign") == {"size": 0, "file": None}
    assert told(database, tmp_path, "list") == {"checkpoints": []}
    assert not folder_of(database, tmp_path / "data").path.joinpath("latest").exists()


@pytest.mark.skipif(not LONG, reason="copies a whole server: in the long form")
def test_a_copy_of_the_embedded_server_takes_its_place(server_folder: Path) -> None:
    """With the commands of the manual, while the server runs; what was recorded afterwards is not in it."""
    data, elsewhere = server_folder / "data", server_folder / "elsewhere"
    elsewhere.mkdir()
    [block] = [one for one in recipes("text") if "pg_basebackup" in one]
    commands = block.replace("/DATA_DIR", shlex.quote(str(data))).replace("/ELSEWHERE", shlex.quote(str(elsewhere)))
    with embedded_postgres(data) as conninfo, psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("CREATE TABLE before ()")
        subprocess.run(["bash", "-ec", commands], cwd=ROOT, check=True)
        connection.execute("CREATE TABLE after ()")
    shutil.rmtree(data / "postgres")
    (elsewhere / "backup").rename(data / "postgres")
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "credit-ledger", data / "postgres"], check=True)
    with embedded_postgres(data) as conninfo, psycopg.connect(conninfo) as connection:
        found = connection.execute("SELECT to_regclass('before')::text, to_regclass('after')::text").fetchone()
    assert found == ("before", None)
