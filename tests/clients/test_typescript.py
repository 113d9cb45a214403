"""The client in TypeScript: made by its command, installed where nothing else is, and run by node against a service."""

import shutil
import subprocess
from pathlib import Path

from tests.api.stage import fresh
from tests.clients.test_generators import HERE, PROGRAMS, by_npm
from tests.packaging.installing import ROOT, run
from tests.service import ADMIN_KEY, Service

CLIENTS = ROOT / "clients"


@by_npm
def test_its_package_is_made_and_does_what_it_says(serving: Service, tmp_path: Path) -> None:
    package = made(tmp_path / "clone")
    product = tmp_path / "product"
    product.mkdir()
    (product / "package.json").write_text('{"name": "product", "private": true, "type": "module"}')
    run("npm", "install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts", package, folder=product)
    assert [path.name for path in (product / "node_modules").iterdir() if path.is_dir()] == ["credit-ledger-client"]
    story = (HERE / "story.js").read_text().replace("./dist/index.js", "credit-ledger-client")
    (product / "story.js").write_text(story)
    command = ["node", "story.js", serving.url, ADMIN_KEY, fresh("typescript")]
    done = subprocess.run(command, cwd=product, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def made(clone: Path) -> Path:
    """The npm package that clients/typescript/make makes, in a clone of what it needs. A second run makes the same."""
    client = clone / "clients" / "typescript"
    shutil.copytree(CLIENTS / "typescript", client, ignore=shutil.ignore_patterns("dist", "schema.ts"))
    shutil.copy(CLIENTS / "document.py", clone / "clients")
    (clone / ".venv").symlink_to(ROOT / ".venv")
    run(client / "make", PROGRAMS.parent)
    [package] = (client / "dist").glob("*.tgz")
    assert not [name for name in run("tar", "--list", "--file", package).split() if name.endswith((".tgz", ".map"))]
    return package
