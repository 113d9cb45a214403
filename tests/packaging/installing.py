"""Building packages of this checkout, and installing them where nothing is."""

import os
import subprocess
import sys
from collections.abc import Mapping
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def built(project: Path, folder: Path) -> Path:
    """The wheel of a project. The builder is uv itself, so nothing is downloaded."""
    run(UV, "build", "--quiet", "--offline", "--wheel", "--out-dir", folder, project)
    [made] = folder.glob("*.whl")
    return made


def contents(wheel: Path) -> tuple[Message, set[str]]:
    """The metadata of a wheel, and the files beside them."""
    with ZipFile(wheel) as file:
        names = set(file.namelist())
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        return BytesParser().parsebytes(file.read(metadata)), {
            name for name in names if ".dist-info/" not in name and not name.endswith("/")
        }


def files_of(folder: Path) -> set[str]:
    """All files of a folder that belong into a package."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def bare(home: Path) -> dict[str, str]:
    """The environment of somebody who has just got this machine, and no settings; uv keeps its cache of downloads."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CREDIT_LEDGER_", "XDG_", "PYTHON", "PIPX_", "UV_TOOL")) and name != "VIRTUAL_ENV"
    }
    cache = run(UV, "cache", "dir").strip()
    trusted = {"UV_SYSTEM_CERTS": "1"} if _CERTIFICATES.is_file() and "SSL_CERT_FILE" not in kept else {}
    return {**kept, **trusted, "HOME": str(home), "UV_CACHE_DIR": cache, "UV_PYTHON_DOWNLOADS": "never"}


def run(*words: str | Path, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> str:
    """Run a program that must succeed. What it prints."""
    done = subprocess.run([*map(str, words)], env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-8_000:]
    return done.stdout
