"""A server that answers as a provider does, for each test."""

from collections.abc import Iterator

import pytest

from tests.billing.calls.provider_server import ProviderServer, provider_server


@pytest.fixture(scope="session")
def _running() -> Iterator[ProviderServer]:
    with provider_server() as remote:
        yield remote


@pytest.fixture
def remote(_running: ProviderServer) -> ProviderServer:
    """The server, without answers and requests."""
    _running.answers.clear()
    _running.requests.clear()
    return _running
