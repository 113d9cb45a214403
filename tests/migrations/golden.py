"""The database that the program of version 0.1 left behind, and what it answered; see database-0.1/README.md."""

import json
import lzma
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from api.cli.main import app
from api.runtime.database import as_url

FOLDER = Path(__file__).parent / "database-0.1"


def dump() -> str:
    """The statements that make it."""
    return lzma.decompress((FOLDER / "database.sql.xz").read_bytes()).decode()


def expected() -> dict[str, Any]:
    """What the old program answered."""
    found: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text())
    return found


def data_directory(where: Path) -> Path:
    """A copy of its data directory: checkpoints, and the key that signs them."""
    return Path(shutil.copytree(FOLDER / "data", where / "data"))


def answered(conninfo: str, data: Path, arguments: Sequence[str], *, status: int = 0) -> str:
    """What a command of this program prints."""
    environment = {name: "" for name in os.environ if name.startswith("CREDIT_LEDGER_")}
    environment |= {"CREDIT_LEDGER_DATABASE_URL": as_url(conninfo), "CREDIT_LEDGER_DATA_DIR": str(data)}
    finished = CliRunner().invoke(app, arguments, env=environment)
    assert finished.exit_code == status, (arguments, finished.output, finished.exception)
    return finished.stdout
