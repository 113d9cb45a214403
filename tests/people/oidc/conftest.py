"""A ledger whose people sign in at a provider."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ledger.service import Ledger
from tests.conftest import Clock
from tests.people.oidc.forger import Forger, Product, forging


@pytest.fixture
def forger() -> Iterator[Forger]:
    with forging() as found:
        yield found


@pytest.fixture
def clock() -> Clock:
    """One that begins now, as the provider's does."""
    clock = Clock()
    clock.now = datetime.now(UTC)
    return clock


@pytest.fixture
def product(ledger: Ledger, forger: Forger, clock: Clock) -> Product:
    return Product(ledger, forger, clock)
