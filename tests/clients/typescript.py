"""The client in TypeScript as a compiled package, and programs that import it, compiled just as strictly."""

import json
import shutil
from pathlib import Path

import orjson

from clients.document import document
from tests.clients.test_generators import PROGRAMS, node

CLIENT = Path(__file__).parents[2] / "clients" / "typescript"
_OF_NODE = "declare const process: { env: Record<string, string | undefined> };\n"
"""What a program knows of Node: its types are not among our packages."""


def compiled_client(folder: Path) -> Path:
    """The client, compiled in an empty folder, which is returned: the package as npm installs it."""
    shutil.copytree(CLIENT / "src", folder / "src")
    for name in ("tsconfig.json", "package.json"):
        shutil.copy(CLIENT / name, folder)
    (folder / "node_modules").symlink_to(PROGRAMS)
    (folder / "openapi.json").write_bytes(orjson.dumps(document()))
    node(folder, "openapi-typescript", "openapi.json", "--output", "src/schema.ts")
    node(folder, "tsc", "--project", "tsconfig.json")
    return folder


def compiled_program(client: Path, folder: Path, program: str) -> Path:
    """A program that imports `credit-ledger-client`, compiled in an empty folder: the file that node runs."""
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "credit-ledger-client").symlink_to(client)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "program.ts").write_text(program)
    (folder / "process.d.ts").write_text(_OF_NODE)
    own = {"rootDir": ".", "outDir": ".", "declaration": False}
    files = {"files": ["program.ts", "process.d.ts"], "include": []}
    config = {"extends": str(client / "tsconfig.json"), "compilerOptions": own, **files}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    node(folder, "tsc", "--project", "tsconfig.json")
    return folder / "program.js"
