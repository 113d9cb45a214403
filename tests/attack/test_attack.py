"""The standing attack and the prices, in seconds: what the long forms (`python -m tests.attack`) do for minutes.

Times are for the long form, on a machine that does nothing else.
"""

from pathlib import Path

from tests.attack.addresses import addresses
from tests.attack.prices import FULL, Effort, prices, table
from tests.attack.standing import MEMORY, SHORT, attacked
from tests.long_form import LONG
from tests.postgres import TestServer
from tests.service import running_service

LEAST = Effort(seconds=0, connections=2, unfinished=200)


async def test_an_attack_loses_nothing_and_health_is_answered(server: TestServer, tmp_path: Path) -> None:
    with server.database() as conninfo, running_service(conninfo, tmp_path) as service:
        figures = await attacked(service, SHORT)
    assert figures.complaints == []
    assert figures.answered > 0
    assert figures.checks > 0
    assert figures.memory < MEMORY
    assert figures.attack["streams: opened"] > 0
    assert figures.attack["streams: refused"] > 0  # somebody has taken all their places
    assert figures.attack["floods: answered"] > 0


def test_every_address_has_a_price_and_none_fails(server: TestServer, tmp_path: Path) -> None:
    with server.database() as conninfo, running_service(conninfo, tmp_path) as service:
        found = {one.name: one for one in prices(service, FULL._replace(seconds=0) if LONG else LEAST)}
    templates = {f"{one.method} {one.template}" for one in addresses("x")}
    assert templates <= found.keys()
    assert not [name for name, one in found.items() if one.status.startswith("5")]
    public = {name for name, one in found.items() if one.status == "200"}
    assert public == {
        *("GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json", "GET /openapi.json, compressed"),
        *("GET /docs", "GET /static-offline-docs/{name}", "GET /dashboard/static/{digest}/{name}"),
        "GET /dashboard/sign-in",
    }
    assert table(list(found.values())).count("\n") == len(found) + 3
