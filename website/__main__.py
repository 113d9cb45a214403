"""`python -m website [FOLDER]`: build the site. scripts/docs installs what it needs first."""

import argparse
import gc
import sys
from pathlib import Path
from typing import Any

from api.app import create_app
from api.http.hot_path import HotPath
from api.runtime.settings import load_settings
from website.building import BuildFailed, build

ROOT = Path(__file__).parents[1]
RARELY = 100_000, 50, 100
"""The thresholds of the garbage collection. With those of Python it takes a third of the time: the trees of all pages
are kept until the end."""


def main() -> None:
    """Build the site, and print where it begins."""
    gc.freeze()
    gc.set_threshold(*RARELY)
    parser = argparse.ArgumentParser(prog="scripts/docs", description="Build the documentation as a site.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "site", help="default: build/site")
    try:
        print(build(ROOT, parser.parse_args().folder.resolve(), openapi_document()))
    except BuildFailed as error:
        sys.exit(str(error))


def openapi_document() -> dict[str, Any]:
    """The document at /openapi.json, of a service without a database."""
    front = create_app(load_settings(), "postgresql:///nowhere")
    assert isinstance(front, HotPath)
    document: dict[str, Any] = front.app.openapi()
    return document


main()
