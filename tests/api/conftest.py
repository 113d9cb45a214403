"""Every answer of the service that a test of this folder sees is held against the OpenAPI document."""

import pytest

from tests.api.contract import Contract
from tests.service import Service


def under_contract(service: Service) -> Contract:
    """Check all that a service answers to its own client from now on."""
    contract = Contract(service.get("/openapi.json").json())
    service.client.event_hooks = {"response": [contract.check]}
    return contract


@pytest.fixture(scope="session")
def contract(service: Service) -> Contract:
    return under_contract(service)


@pytest.fixture(autouse=True)
def _under_contract(request: pytest.FixtureRequest) -> None:
    if "service" in request.fixturenames:
        request.getfixturevalue("contract")
