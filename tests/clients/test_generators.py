"""What linters and generators make of the OpenAPI document: nothing to say, and clients that compile strictly.

scripts/test-packages puts the programs of npm into .venv/node, and those in Python into .venv/generators. What takes
long gets an excerpt of the document in every run, which has all of its shapes, and the whole in the long form.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.contract import the_app
from tests.clients.excerpt import Document, excerpt, operations, shapes_of, together
from tests.clients.programs import GENERATORS, HERE, PROGRAMS, PYTHON, by_npm, in_python, node, run
from tests.long_form import LONG

CACHE = GENERATORS.parent / "mypy_cache"
"""Where mypy keeps what it knows of other packages, from run to run."""
OF_THE_GENERATOR = [
    re.compile(r'client/client\.py:\d+: error: Argument 1 to "__a?exit__" of "(Async)?Client"'),
]
"""A fault of openapi-python-client 0.29, in a file that is the same for every document. It is none of the document."""
_USE = "use_client.py"

WANTED = ["open_account", "deduct", "hold", "capture_hold", "batch", "list_history", "stream_account_events"]
"""The operations that the programs beside the generated code call, and what no excerpt should be without."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the document, and with what programs of node look for beside their files."""
    return _folder(tmp_path_factory.mktemp("generated"), the_app().openapi())


@pytest.fixture(scope="module", params=["excerpt", "whole"] if LONG else ["excerpt"])
def part(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with an excerpt of the document, and in the long form with all of it."""
    document = the_app().openapi()
    given = document if request.param == "whole" else excerpt(document, WANTED)
    return _folder(tmp_path_factory.mktemp(request.param), given)


def _folder(made: Path, document: Document) -> Path:
    (made / "openapi.json").write_text(json.dumps(document))
    (made / "node_modules").symlink_to(PROGRAMS)
    for file in filter(Path.is_file, HERE.iterdir()):
        (made / file.name).write_bytes(file.read_bytes())
    return made


def strictly(folder: Path, project: str) -> None:
    """Compile a project. What TypeScript itself brings, such as the types of browsers, is checked in the long form."""
    node(folder, "tsc", "--project", project, *(() if LONG else ("--skipLibCheck",)))


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
def test_openapi_typescript_and_its_fetch_compile_strictly(part: Path) -> None:
    node(part, "openapi-typescript", "openapi.json", "--output", "schema.ts")
    strictly(part, "fetch.tsconfig.json")


def test_an_excerpt_has_every_shape_and_few_operations() -> None:
    document = the_app().openapi()
    small = excerpt(document, WANTED)
    assert together(shapes_of(small).values()) == together(shapes_of(document).values())
    assert len(operations(small)) < len(operations(document)) / 8
    assert json.dumps(small).count("#/components/") > 100


@by_npm
def test_hey_api_compiles_strictly(part: Path) -> None:
    node(part, "openapi-ts", "--input", "openapi.json", "--output", "hey", "--client", "@hey-api/client-fetch")
    strictly(part, "hey.tsconfig.json")


@in_python
def test_datamodel_code_generator_makes_models_that_read_every_problem(part: Path) -> None:
    options = ["--output-model-type", "pydantic_v2.BaseModel", "--output", "models.py"]
    run(part, GENERATORS / "datamodel-codegen", "--input", "openapi.json", "--input-file-type", "openapi", *options)
    run(part, PYTHON / "python", "use_models.py")


@in_python
def test_openapi_python_client_makes_a_client_that_is_typed_strictly(part: Path) -> None:
    """It makes a function of every operation. Answers that are files of a kind that it does not know are left out."""
    options = ["--path", "openapi.json", "--output-path", "client", "--meta", "none"]
    said = run(part, GENERATORS / "openapi-python-client", "generate", *options)
    warned = said.count("WARNING") + said.count("ERROR")
    assert len(re.findall(r"\(Unsupported content_type application/(pdf|zip)\)", said)) == warned, said
    found = subprocess.run(
        [PYTHON / "mypy", "--strict", "--cache-dir", CACHE, "--python-executable", sys.executable, "client", _USE],
        cwd=part,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert re.search(r"checked \d{3,} source files|no issues found in \d{3,} source files", found), found
    wrong = [line for line in found.splitlines() if ": error: " in line]
    assert [line for line in wrong if not any(known.match(line) for known in OF_THE_GENERATOR)] == []
