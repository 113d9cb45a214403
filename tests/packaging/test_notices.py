"""The notices of third parties name what the lock has, and each of them a licence."""

import subprocess
from pathlib import Path

from tests.packaging.notices import licence_of, locked, table, texts

ROOT = Path(__file__).parents[2]
_EXPORT = (
    "export --quiet --locked --offline --no-dev --all-extras --no-hashes --no-annotate --no-header --no-emit-project"
)


def test_the_notices_are_those_of_the_lock() -> None:
    """If this fails: scripts/notices."""
    done = subprocess.run(
        [ROOT / ".venv" / "bin" / "uv", *_EXPORT.split()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    packages = locked(done.stdout)
    assert len(packages) > 30
    assert {"fastapi", "psycopg", "pyarrow"} <= {one.name for one in packages}
    assert not {"pytest", "ruff"} & {one.name for one in packages}
    assert (ROOT / "THIRD-PARTY-NOTICES.md").read_text() == table(packages)
    assert [one.name for one in packages if licence_of(one) == "see its text"] == []
    printed = "".join(texts([one for one in packages if one.name in {"fastapi", "orjson"}]))
    assert "Permission is hereby granted" in printed


def test_nobody_has_chosen_a_licence_for_them() -> None:
    """Until the owner chooses one, the place where one looks for it says so."""
    assert "no licence" in (ROOT / "LICENSE.md").read_text()


def test_the_changelog_begins_with_what_comes_next() -> None:
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    assert headings[0] == "## Unreleased"
    assert headings[-1].startswith("## 0.1.0")
