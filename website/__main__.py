"""`python -m website [FOLDER]`: build the site. scripts/docs installs what it needs first."""

import argparse
import sys
from pathlib import Path
from typing import Any

from api.app import create_app
from api.http.hot_path import HotPath
from api.runtime.settings import load_settings
from website.building import BuildFailed, build

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Build the site, and print where it begins."""
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
