"""The client in TypeScript: compiled strictly, and run by node against a service."""

import shutil
import subprocess
from pathlib import Path

import orjson

from clients.document import document
from tests.api.stage import fresh
from tests.clients.test_generators import HERE, PROGRAMS, by_npm, node
from tests.service import ADMIN_KEY, Service

CLIENT = Path(__file__).parents[2] / "clients" / "typescript"


@by_npm
def test_it_compiles_strictly_and_does_what_it_says(serving: Service, tmp_path: Path) -> None:
    shutil.copytree(CLIENT / "src", tmp_path / "src")
    for name in ("tsconfig.json", "package.json"):
        shutil.copy(CLIENT / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(PROGRAMS)
    (tmp_path / "openapi.json").write_bytes(orjson.dumps(document()))
    node(tmp_path, "openapi-typescript", "openapi.json", "--output", "src/schema.ts")
    node(tmp_path, "tsc", "--project", "tsconfig.json")
    shutil.copy(HERE / "story.js", tmp_path)
    command = ["node", "story.js", serving.url, ADMIN_KEY, fresh("typescript")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
