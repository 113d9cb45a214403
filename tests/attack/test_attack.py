"""The standing attack, for a few seconds: what the long form (`python -m tests.attack`) does for five minutes.

Times are for the long form, on a machine that does nothing else.
"""

from pathlib import Path

from tests.attack.standing import MEMORY, SHORT, attacked
from tests.postgres import TestServer
from tests.service import running_service


async def test_an_attack_loses_nothing_and_health_is_answered(server: TestServer, tmp_path: Path) -> None:
    with server.database() as conninfo, running_service(conninfo, tmp_path) as service:
        figures = await attacked(service, SHORT)
    assert figures.complaints == []
    assert figures.answered > 0
    assert figures.checks > 0
    assert figures.memory < MEMORY
    assert figures.attack["streams: opened"] >= SHORT.hoarders * 20
    assert figures.attack["streams: refused"] > 0
    assert figures.attack["floods: answered"] > 0
