"""The wheel of the application: it has the whole program; in the long form, the tools with which one installs
applications install it, and it serves."""

import re
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.api.stage import eventually
from tests.long_form import LONG
from tests.packaging.installing import ROOT, UV, bare, built, contents, files_of, run
from tests.service import PATIENCE, PLAIN, free_port

slow = pytest.mark.skipif(not LONG, reason="downloads all that the program needs: in the long form")
INSTALLERS: dict[str, tuple[str | Path, ...]] = {
    "uv tool": (UV, "tool", "install", "--quiet"),
    "pipx": (UV, "tool", "run", "--quiet", "pipx", "install", "--quiet"),
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def home() -> Iterator[Path]:
    """A home on the disk. Not a folder of pytest's: as root the database is another user's process, and the next pytest
    that starts on the machine would shut that user out of it."""
    with TemporaryDirectory(prefix="credit-ledger-test-") as folder:
        yield Path(folder)


def test_it_has_all_of_the_program_and_nothing_else(wheel: Path) -> None:
    metadata, files = contents(wheel)
    assert files == files_of(ROOT / "src")
    assert (metadata["Name"], metadata["Requires-Python"]) == ("credit-ledger", ">=3.11")
    assert metadata["Version"] == run(UV.with_name("credit-ledger"), "--version").split()[1]
    assert "Private :: Do Not Upload" in metadata.get_all("Classifier", [])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(metadata.get_all("Provides-Extra", [])) == project["optional-dependencies"].keys()


@slow
@pytest.mark.parametrize("installer", INSTALLERS)
def test_it_is_installed_where_nothing_is_and_serves(wheel: Path, installer: str, home: Path) -> None:
    environment = bare(home)
    run(*INSTALLERS[installer], wheel, environment=environment, folder=home)
    program = home / ".local" / "bin" / "credit-ledger"
    assert re.fullmatch(r"credit-ledger \d+\.\d+\.\d+\n", run(program, "--version", environment=environment))
    with serving(program, home, environment) as client:
        assert client.post("/v1/accounts", json={"account_id": "ada"}).status_code == 201
        answer = client.post("/v1/accounts/ada/deductions", json={"amount": 30, "task_id": "t"})
        assert (answer.status_code, answer.json()["balance"]["total"]) == (201, 70)
    assert (home / ".local" / "share" / "credit-ledger" / "postgres").is_dir()


@contextmanager
def serving(program: Path, home: Path, environment: dict[str, str]) -> Iterator[httpx.Client]:
    """`credit-ledger serve` with its own database, and a client with the key that the first start prints."""
    log, port = home / "serve.log", free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "serve", "--port", str(port)], cwd=home, env=environment, stdout=output, stderr=output
        )
    try:
        eventually(lambda: process.poll() is not None or "Credit ledger: " in log.read_text())
        [key] = re.findall(r"clk_\S+", log.read_text())
        url, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE, verify=PLAIN, trust_env=False) as client:
            eventually(lambda: client.get("/readyz").status_code == 200)
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(180)
