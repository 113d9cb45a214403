"""The parts of a service in the process of the test: the dependencies of routes and pages, without HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.app import create_app
from api.http.hot_path import HotPath
from api.http.queries.reads import Reads
from api.runtime.settings import load_settings
from people.secrets import cursor_key


@asynccontextmanager
async def wired(conninfo: str) -> AsyncIterator[Reads]:
    """Beside whatever else serves that database."""
    front = create_app(load_settings(), conninfo)
    assert isinstance(front, HotPath)
    reads: Reads = front.app.state.reads
    async with reads.ledger.running(), reads.views.running():
        reads.cursors.use(await cursor_key(reads.ledger.log))
        yield reads
