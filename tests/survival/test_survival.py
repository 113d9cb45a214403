"""Every fault, a few times: what the long form (`python -m tests.survival`) does for hours, in seconds.

The seed is printed with a failure; CREDIT_LEDGER_TEST_SEED runs it again.
"""

import pytest

from api.cli.progress import Lines
from tests.postgres import TestServers
from tests.survival.catalog import FAULTS
from tests.survival.faults.fault import Fault, Missing
from tests.survival.ground import Ground
from tests.survival.plan import Plan, fresh_seed


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_nothing_is_lost_done_twice_or_wrong(fault: Fault, servers: TestServers) -> None:
    seed = fresh_seed()
    print(f"CREDIT_LEDGER_TEST_SEED={seed}")
    try:
        figures = await fault.run(fault.short, Plan(seed), Ground(servers), Lines())
    except Missing as missing:
        pytest.skip(str(missing))
    assert figures.sound, f"seed {seed}\n{figures.told()}"
    assert figures.acknowledged > 0
    assert figures.unknown == figures.settled
