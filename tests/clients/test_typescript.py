"""The client in TypeScript: compiled strictly, and run by node against a service."""

import shutil
import subprocess
from pathlib import Path

from tests.api.stage import fresh
from tests.clients.test_generators import HERE, by_npm
from tests.clients.typescript import compiled_client
from tests.service import ADMIN_KEY, Service


@by_npm
def test_it_compiles_strictly_and_does_what_it_says(serving: Service, tmp_path: Path) -> None:
    compiled_client(tmp_path)
    shutil.copy(HERE / "story.js", tmp_path)
    command = ["node", "story.js", serving.url, ADMIN_KEY, fresh("typescript")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
