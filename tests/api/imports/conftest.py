"""What tests of the import share: a trace, and a database into which the documented command imported it."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.api.imports.importer import Importer
from tests.commands import command
from tests.long_form import times
from tests.postgres import TestServers
from tests.trace import make_trace, real_trace


class Imported(NamedTuple):
    """A database into which the trace was imported by the documented command, and what that printed."""

    conninfo: str
    printed: str


def documented(number: int) -> tuple[list[str], str]:
    """A command of docs/importing.md, without the program and the file, and what it prints there."""
    page = (Path(__file__).parents[3] / "docs" / "importing.md").read_text()
    shown, printed = re.findall(r"^```sh\n(.*?)^```\n\n```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[number]
    return shlex.split(shown.replace("\\\n", " "))[3:], printed


@pytest.fixture(scope="session")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real trace, else one like it."""
    return real_trace() or make_trace(tmp_path_factory.mktemp("trace") / "trace.csv", times(10_000, 19_366))


@pytest.fixture(scope="session")
def imported(servers: TestServers, trace: Path) -> Iterator[Imported]:
    found = servers.get("embedded")
    assert found is not None
    with found.database() as conninfo:
        done = command(conninfo, "import", trace, *documented(1)[0])
        assert done.status == 0, done.err
        yield Imported(conninfo, done.out)


@pytest.fixture
def importer(database: str) -> Importer:
    return Importer(database)
