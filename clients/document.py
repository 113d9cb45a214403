"""The OpenAPI document of this checkout: `python -m clients.document` prints it. No database is used."""

from typing import Any

import orjson

from api.app import create_app
from api.http.hot_path import HotPath
from api.runtime.settings import load_settings


def document() -> dict[str, Any]:
    """The document of a service with the default settings."""
    front = create_app(load_settings(), "postgresql:///nowhere")
    assert isinstance(front, HotPath)
    return front.app.openapi()


if __name__ == "__main__":
    print(orjson.dumps(document()).decode())  # noqa: T201
