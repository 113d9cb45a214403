"""The commands of the docs that measure or find faults: each is there with its options, and the long form runs some."""

import io
import re
import runpy
import subprocess
import sys
import warnings
from collections import defaultdict
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.long_form import LONG

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")]
_SHOWN = re.compile(r"python -m ((?:benchmarks|tests)[\w.]*)((?: [\w-]+)*)")
RUN = ["--quick --only catching-up", "--quick --only what-if move", "--quick --only chain memory"]
"""Options of the benchmark with which the long form runs it: they take a minute or two."""


def shown() -> dict[str, set[str]]:
    """The programs that the docs name, and all options and words that they give each."""
    found: dict[str, set[str]] = defaultdict(set)
    for page in PAGES:
        for module, words in _SHOWN.findall(page.read_text()):
            found[module.rstrip(".")].update(words.split())
    return found


def help_of(module: str) -> str:
    """What a program says of its options, on one line; it is asked in this process, as `python -m` would."""
    said = io.StringIO()
    with warnings.catch_warnings(), patch.object(sys, "argv", [module, "--help"]), redirect_stdout(said):
        warnings.simplefilter("ignore", RuntimeWarning)  # another test may have imported it
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(module, run_name="__main__")
    assert ended.value.code == 0
    return " ".join(said.getvalue().split())


def test_every_program_of_the_docs_is_there_with_its_options() -> None:
    found = shown()
    assert {"benchmarks.run", "benchmarks.observing", "tests.survival", "tests.simulation"} <= found.keys()
    assert [module for module in found if find_spec(module) is None] == []
    for module, words in found.items():
        if words:
            known = help_of(module)
            assert [word for word in words if word not in known and not word.isdigit()] == [], module


def run(*words: str) -> str:
    """What a program prints that must succeed."""
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    return done.stdout


@pytest.mark.skipif(not LONG, reason="takes minutes: in the long form")
@pytest.mark.parametrize("options", RUN)
def test_the_benchmark_runs(options: str) -> None:
    assert "not measured" not in run("benchmarks.run", *options.split())


@pytest.mark.skipif(not LONG, reason="takes half a minute: in the long form")
def test_the_cost_of_histograms_is_measured() -> None:
    assert len(run("benchmarks.observing").splitlines()) == 5
