"""What linters and generators make of the OpenAPI document: nothing to say, and clients that compile strictly.

scripts/test-packages puts the programs of npm into .venv/node, and those in Python into .venv/generators. Linting and
types take seconds and are in every run; what is compiled as a whole is in the long form.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.contract import the_app
from tests.long_form import LONG

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "node"
PROGRAMS = Path(os.environ.get("CREDIT_LEDGER_TEST_NODE", ROOT / ".venv" / "node")) / "node_modules"
PYTHON = Path(sys.executable).parent
_NOTHING_HERE = "no programs of npm here: nothing is generated in TypeScript (see scripts/test)"

GENERATORS = ROOT / ".venv" / "generators" / "bin"

in_python = pytest.mark.skipif(not GENERATORS.exists(), reason="no generators here: nothing is generated in Python")
by_npm = pytest.mark.skipif(not (PROGRAMS / ".bin" / "tsc").exists(), reason=_NOTHING_HERE)
slow = pytest.mark.skipif(not LONG, reason="takes half a minute: in the long form")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the document, and with what programs of node look for beside their files."""
    made = tmp_path_factory.mktemp("generated")
    (made / "openapi.json").write_text(json.dumps(the_app().openapi()))
    (made / "node_modules").symlink_to(PROGRAMS)
    for file in filter(Path.is_file, HERE.iterdir()):
        (made / file.name).write_bytes(file.read_bytes())
    return made


def run(folder: Path, program: Path, *arguments: str) -> str:
    """Run a program that must succeed. What it says."""
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-8_000:]
    return done.stdout + done.stderr


def node(folder: Path, name: str, *arguments: str) -> str:
    return run(folder, PROGRAMS / ".bin" / name, *arguments)


@by_npm
@pytest.mark.parametrize(
    "linter",
    [
        ("redocly", "lint", "openapi.json", "--config", "redocly.yaml", "--max-problems", "50"),
        ("spectral", "lint", "openapi.json", "--ruleset", "spectral.yaml", "--fail-severity", "hint"),
    ],
    ids=["redocly", "spectral"],
)
def test_linters_find_nothing(folder: Path, linter: tuple[str, ...]) -> None:
    said = node(folder, *linter)
    assert "You have" not in said, said  # warnings, with which redocly ends well


@by_npm
def test_openapi_typescript_and_its_fetch_compile_strictly(folder: Path) -> None:
    node(folder, "openapi-typescript", "openapi.json", "--output", "schema.d.ts")
    node(folder, "tsc", "--project", "fetch.tsconfig.json")


@by_npm
@slow
def test_hey_api_compiles_strictly(folder: Path) -> None:
    node(folder, "openapi-ts", "--input", "openapi.json", "--output", "hey", "--client", "@hey-api/client-fetch")
    node(folder, "tsc", "--project", "hey.tsconfig.json")


@in_python
@slow
def test_datamodel_code_generator_makes_models_that_read_every_problem(folder: Path) -> None:
    options = ["--output-model-type", "pydantic_v2.BaseModel", "--output", "models.py"]
    run(folder, GENERATORS / "datamodel-codegen", "--input", "openapi.json", "--input-file-type", "openapi", *options)
    run(folder, PYTHON / "python", "use_models.py")


@in_python
@slow
def test_openapi_python_client_makes_a_client_that_is_typed_strictly(folder: Path) -> None:
    said = run(
        folder,
        GENERATORS / "openapi-python-client",
        *("generate", "--path", "openapi.json", "--output-path", "client", "--fail-on-warning", "--meta", "none"),
    )
    assert "warning" not in said.lower()
    run(folder, PYTHON / "mypy", "--strict", "--python-executable", sys.executable, "client", "use_client.py")
