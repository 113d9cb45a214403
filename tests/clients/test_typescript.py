"""The client in TypeScript: made by its command, installed where nothing else is, and run by node against a service."""

import subprocess
from pathlib import Path

from tests.api.stage import fresh
from tests.clients.programs import HERE, by_npm
from tests.packaging.installing import run
from tests.service import ADMIN_KEY, Service


@by_npm
def test_its_package_is_made_and_does_what_it_says(serving: Service, typescript_client: Path, tmp_path: Path) -> None:
    package = the_package(typescript_client)
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


def the_package(client: Path) -> Path:
    """The npm package, which has nothing in it that is made anew each time."""
    [package] = (client / "dist").glob("*.tgz")
    assert not [name for name in run("tar", "--list", "--file", package).split() if name.endswith((".tgz", ".map"))]
    return package
