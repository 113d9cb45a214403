"""The client in TypeScript as its command makes it, and programs that import it, compiled just as strictly."""

import json
import shutil
from pathlib import Path

from tests.clients.programs import PROGRAMS, ROOT, node
from tests.packaging.installing import run

CLIENTS = ROOT / "clients"
_OF_NODE = "declare const process: { env: Record<string, string | undefined> };\n"
"""What a program knows of Node: its types are not among our packages."""


def made_client(clone: Path) -> Path:
    """The folder of the client in a clone of what it needs, after clients/typescript/make: the types in src/schema.ts,
    what is compiled in dist, and the npm package there."""
    client = clone / "clients" / "typescript"
    shutil.copytree(CLIENTS / "typescript", client, ignore=shutil.ignore_patterns("dist", "schema.ts"))
    shutil.copy(CLIENTS / "document.py", clone / "clients")
    (clone / ".venv").symlink_to(ROOT / ".venv")
    run(client / "make", PROGRAMS.parent)
    return client


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
