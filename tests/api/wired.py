"""The parts of a service in the process of the test: what routes and pages ask, without HTTP between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.app import create_app
from api.http.hot_path import HotPath
from api.runtime.settings import load_settings
from api.wiring import Wiring


@asynccontextmanager
async def wired(conninfo: str) -> AsyncIterator[Wiring]:
    """Beside whatever else serves that database."""
    front = create_app(load_settings(), conninfo)
    assert isinstance(front, HotPath)
    wiring: Wiring = front.app.state.wiring
    async with wiring.ledger.running(), wiring.views.running():
        yield wiring
