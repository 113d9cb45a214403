"""What the scripts install: by hash, what is missing and nothing else, and said before it is done."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STUBS = ("hledger", "pgbouncer", "chromium-headless-shell", "nginx", "caddy", "promtool")
HERE = {"CREDIT_LEDGER_TEST_POSTGRES_BIN": "/somewhere", "CREDIT_LEDGER_TEST_NODE": "/somewhere"}
CLOCK = any(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
"""The one program that is found by its path alone."""
GENERATORS = ROOT / ".venv" / "generators"
"""They cannot be installed everywhere; what cannot, is tried again and skipped."""


def test_uv_is_installed_by_hash() -> None:
    setup, pinned = (ROOT / "scripts" / "setup").read_text(), (ROOT / "scripts" / "uv.txt").read_text()
    [installed] = re.findall(r"pip\" install .*", setup)
    assert '--require-hashes -r "$root/scripts/uv.txt"' in installed
    assert re.search(r"^uv==\d+\.\d+\.\d+ \\$", pinned, re.MULTILINE)
    assert pinned.count("--hash=sha256:") > 10


@pytest.mark.parametrize("name", ["serve", "setup", "docs"])
def test_no_python_of_a_script_takes_code_from_the_current_folder(name: str) -> None:
    assert "\nexport PYTHONSAFEPATH=1" in (ROOT / "scripts" / name).read_text()


def stub(folder: Path, name: str, body: str = "") -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def packages(folder: Path, *absent: str, uid: int = 0, **settings: str) -> tuple[str, list[str]]:
    """What scripts/test-packages prints where some programs are absent, and what apt-get is asked for."""
    folder.mkdir(exist_ok=True)
    for name in STUBS:
        (folder / name).unlink(missing_ok=True)
        if name not in absent:
            stub(folder, name)
    asked = folder / "asked"
    asked.unlink(missing_ok=True)
    stub(folder, "apt-get", f'echo "$*" >>{asked}')
    stub(folder, "id", f"echo {uid}")
    for name in ("bash", "dirname", "sed", "cat", "mkdir", "rm"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(
            next(path for path in (Path("/bin") / name, Path("/usr/bin") / name) if path.exists())
        )
    done = subprocess.run(
        [ROOT / "scripts" / "test-packages"],
        env={"PATH": str(folder), **HERE, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = asked.read_text().splitlines() if asked.exists() else []
    return done.stdout, [line.split()[-1] for line in lines if " install " in f" {line} " and "libfaketime" not in line]


def test_root_installs_what_is_missing_and_says_so_before(tmp_path: Path) -> None:
    text, installed = packages(tmp_path / "bin", "hledger")
    assert installed == ["hledger"]
    assert "Root installs with apt-get, because the tests use them and they are missing: hledger" in text
    assert "No hledger here: the journals" in text


def test_where_there_is_no_small_browser_root_installs_a_whole_one(tmp_path: Path) -> None:
    text, installed = packages(tmp_path / "bin", "chromium-headless-shell")
    assert installed == ["chromium-headless-shell", "chromium"]
    assert "No chromium-headless-shell here: no page is looked at" in text
    stub(tmp_path / "bin", "chromium")
    text, installed = packages(tmp_path / "bin", "chromium-headless-shell")
    assert installed == ["chromium-headless-shell"]
    assert "No chromium-headless-shell here: pages are looked at in another browser" in text


def test_nothing_is_installed_where_nothing_is_missing(tmp_path: Path) -> None:
    text, installed = packages(tmp_path / "bin")
    assert installed == []
    assert text == "" or not CLOCK or not GENERATORS.exists()


def test_nothing_is_installed_for_others_or_against_the_will_of_root(tmp_path: Path) -> None:
    for settings in ({"uid": 1000}, {"CREDIT_LEDGER_TEST_INSTALL": "no"}):
        text, installed = packages(tmp_path / "bin", "hledger", "chromium-headless-shell", **settings)
        assert installed == []
        assert "No hledger here" in text
        assert "Root installs" not in text


def test_scripts_can_be_run() -> None:
    for path in (ROOT / "scripts").iterdir():
        assert os.access(path, os.X_OK) or path.suffix == ".txt", path
        assert stat.S_ISREG(path.stat().st_mode)
