"""The repository checks itself: what a reviewer would otherwise have to look for in every change.

Each test lists its offenders as `file:line: what is wrong`, all of them at once.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))

MOST_MODULES = 15
"""In one folder: with more of them nobody looks through the list before writing what is there already."""
LISTS = frozenset({"src/api/cli"})
"""Folders with one file for each thing of a kind: one command of the command line. They are as long as the list is."""

LONGEST_FILE = 400
LONGEST_FUNCTION = 60

NAMELESS = re.compile(r"(utils?|helpers?|managers?|handlers?|misc|commons?)", re.IGNORECASE)
"""A name that says nothing about what is inside, and so gets everything put inside."""

UNCLEAN_MODULES = re.compile(
    r"asyncio|io|logging|multiprocessing|os|pathlib|random|secrets|select|shutil|signal|socket|"
    r"subprocess|sys|tempfile|threading|time|urllib|uuid|warnings"
)
"""Standard library all of it, and yet no business of a rule: clocks, chance, the world outside."""

UNCLEAN_CALLS = frozenset({"now", "utcnow", "today"})
UNCLEAN_NAMES = frozenset({"breakpoint", "eval", "exec", "input", "open", "print"})

MACHINE_PATHS = re.compile(r"(?<![\w./~-])/(?:work|root|home/\w+|Users/\w+|opt/pypi)(?![\w-])")
REGISTRIES = re.compile(r"\bpypi\.org|pythonhosted\.org")


def where(path: Path, node: ast.AST | int) -> str:
    line = node if isinstance(node, int) else getattr(node, "lineno", 1)
    return f"{path.relative_to(ROOT)}:{line}"


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def listed(offenders: list[str]) -> str:
    return "\n" + "\n".join(offenders)


def tracked() -> list[Path]:
    """What git knows or would take; without git there is nothing that could be committed."""
    # The clone may belong to somebody else than whoever runs the tests.
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z"]
    found = subprocess.run([*command, "--cached", "--others", "--exclude-standard"], capture_output=True, check=False)
    if found.returncode != 0:
        pytest.skip("not a git repository")
    paths = (ROOT / name for name in found.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


# Purity of the domain.


PURE = sorted((ROOT / "src/ledger/domain").rglob("*.py"))
"""The folder is the contract, with the room inside it."""


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or "."


def is_plain_library(module: str) -> bool:
    top = module.split(".")[0]
    return top in sys.stdlib_module_names and not UNCLEAN_MODULES.fullmatch(top)


def impurities(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        for module in imported(node):
            if not module.startswith("ledger.domain.") and not is_plain_library(module):
                yield f"{where(path, node)}: imports {module}"
        if isinstance(node, ast.Attribute) and node.attr in UNCLEAN_CALLS:
            yield f"{where(path, node)}: asks for the time with .{node.attr}"
        if isinstance(node, ast.Name) and node.id in UNCLEAN_NAMES:
            yield f"{where(path, node)}: uses {node.id}"


def test_the_domain_is_pure() -> None:
    """Time, ids and state are handed in; nothing is read, written, drawn or logged."""
    offenders = [impurity for path in PURE for impurity in impurities(path)]
    assert not offenders, listed(offenders)


# What import contracts do not see: packages and schemas that are named in strings, and in SQL.


def floors() -> list[set[str]]:
    """The packages of each floor, the highest first, as the import contract has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "floors")
    return [set(layer.split(" | ")) for layer in layers]


FLOORS = floors()
_PACKAGES = "|".join(sorted(set.union(*FLOORS)))
NAMED = re.compile(rf"(?<![\w.])(?<!//)(?:({_PACKAGES})\.\w|(projection)_)|^({_PACKAGES})$")
"""What a string or SQL names of a package or its schema: people.api_keys, projection_history, people. The host of an
address, such as https://api.example, is none."""


def not_below(package: str) -> set[str]:
    """The packages that a package must not know."""
    floor = next(number for number, packages in enumerate(FLOORS) if package in packages)
    return set.union(*FLOORS[: floor + 1]) - {package}


def strings_of(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module, without what is only said to people; the lines of any other file."""
    if path.suffix != ".py":
        yield from enumerate(lines_of(path), 1)
        return
    parsed = tree(path)
    said = {id(node.value) for node in ast.walk(parsed) if isinstance(node, ast.Expr)}
    for node in ast.walk(parsed):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.lineno, node.value


def test_no_string_and_no_sql_names_a_higher_floor() -> None:
    offenders = [
        f"{where(path, line)}: {found[0]}"
        for path in sorted((ROOT / "src").rglob("*"))
        if path.suffix in (".py", ".sql")
        for line, text in strings_of(path)
        for found in NAMED.finditer(text)
        if {found[1], f"{found[2]}s", found[3]} & not_below(path.relative_to(ROOT / "src").parts[0])
    ]
    assert not offenders, listed(offenders)


def test_no_import_hides_behind_a_type_checker() -> None:
    """What only a type checker imports is an arrow all the same, and often the other half of a circle."""
    offenders = [where(path, 1) for path in SOURCES if "TYPE_CHECKING" in path.read_text()]
    assert not offenders, listed(offenders)


# Size, names, docstrings.


def test_files_are_short() -> None:
    offenders = [
        f"{where(path, count)}: {count} lines, at most {LONGEST_FILE}"
        for path in SOURCES
        if (count := len(lines_of(path))) > LONGEST_FILE
    ]
    assert not offenders, listed(offenders)


def test_folders_are_not_full() -> None:
    """A folder that is full has several nouns in it: give one of them a folder."""
    counted = Counter(path.parent.relative_to(ROOT).as_posix() for path in SOURCES if path.name != "__init__.py")
    offenders = [
        f"{folder}: {count} modules, at most {MOST_MODULES}"
        for folder, count in counted.items()
        if count > MOST_MODULES and folder not in LISTS
    ]
    assert not offenders, listed(offenders)


def test_functions_are_short() -> None:
    offenders = [
        f"{where(path, node)}: {node.name} has {length} lines, at most {LONGEST_FUNCTION}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not offenders, listed(offenders)


def test_no_file_and_no_class_has_a_name_that_says_nothing() -> None:
    offenders = [f"{where(path, 1)}" for path in tracked() if NAMELESS.fullmatch(path.stem)]
    offenders += [
        f"{where(path, node)}: class {node.name}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and re.search(NAMELESS.pattern + "$", node.name, re.IGNORECASE)
    ]
    assert not offenders, listed(offenders)


def test_every_module_says_what_it_is_for() -> None:
    offenders = [where(path, 1) for path in SOURCES if not ast.get_docstring(tree(path))]
    assert not offenders, listed(offenders)


# What must not leave the machine that it was written on.


def test_no_file_names_a_path_of_one_machine() -> None:
    offenders = [
        f"{where(path, number)}: {found[0]}"
        for path in tracked()
        for number, line in enumerate(lines_of(path), 1)
        if (found := MACHINE_PATHS.search(line))
    ]
    assert not offenders, listed(offenders)


def test_only_the_lock_names_a_registry_and_only_the_public_one() -> None:
    offenders = [
        f"{where(path, number)}: {found[0]}"
        for path in tracked()
        if path.name != "uv.lock"
        for number, line in enumerate(lines_of(path), 1)
        if (found := REGISTRIES.search(line))
    ]
    offenders += [
        f"{where(ROOT / 'uv.lock', number)}: {host}"
        for number, line in enumerate(lines_of(ROOT / "uv.lock"), 1)
        for host in re.findall(r"\w+://([^/\"]+)", line)
        if not re.fullmatch(r"pypi\.org|files\.pythonhosted\.org", host)
    ]
    assert not offenders, listed(offenders)


def test_scripts_can_be_run_and_stop_at_the_first_failure() -> None:
    offenders = [
        where(path, 1)
        for path in [*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"]
        if path.is_file() and lines_of(path)[0] == "#!/usr/bin/env bash"
        if not path.stat().st_mode & 0o111 or "set -euo pipefail" not in lines_of(path)
    ]
    assert not offenders, listed(offenders)
