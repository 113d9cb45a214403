"""The programs of npm and in Python that the OpenAPI document is tried with; scripts/test-packages gets them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "node"
PROGRAMS = Path(os.environ.get("CREDIT_LEDGER_TEST_NODE", ROOT / ".venv" / "node")) / "node_modules"
PYTHON = Path(sys.executable).parent
GENERATORS = ROOT / ".venv" / "generators" / "bin"
_NOTHING_HERE = "no programs of npm here: nothing is generated in TypeScript (see scripts/test)"

in_python = pytest.mark.skipif(not GENERATORS.exists(), reason="no generators here: nothing is generated in Python")
by_npm = pytest.mark.skipif(not (PROGRAMS / ".bin" / "tsc").exists(), reason=_NOTHING_HERE)


def run(folder: Path, program: Path, *arguments: str) -> str:
    """Run a program that must succeed. What it says."""
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-8_000:]
    return done.stdout + done.stderr


def node(folder: Path, name: str, *arguments: str) -> str:
    """Run a program of npm in a folder. What it says."""
    return run(folder, PROGRAMS / ".bin" / name, *arguments)
