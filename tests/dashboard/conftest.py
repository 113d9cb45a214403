"""What the tests of the dashboard share."""

from collections.abc import Iterator

import pytest

from tests.dashboard.guests import all_leave


@pytest.fixture(autouse=True)
def _guests_leave() -> Iterator[None]:
    yield
    all_leave()
