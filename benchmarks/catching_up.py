"""One runner that builds projections from the beginning of the log, alone in its process; prints one JSON object."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from time import perf_counter, process_time

import uvloop

from api.runtime.processes.garbage_collection import tune_garbage_collection
from benchmarks.processes import peak_memory
from benchmarks.progress import Spoiled
from ledger.commit.notifications import CommitListener
from ledger.store.feed import Feed
from ledger.store.log import EventLog
from projections.engine.builds import Connection, build_states, live
from projections.engine.runner import Runner, connect
from projections.models.catalog import BY_NAME
from projections.models.projection import Projection


async def catch_up(conninfo: str, projections: Sequence[Projection]) -> dict[str, float]:
    """Move some live projections, which are empty, to the end of the log."""
    log = EventLog(conninfo, readers=2)  # as the projector opens it
    await log.open()
    feed = Feed(log)
    end = await feed.last_position()
    runner = Runner(conninfo, feed, CommitListener(conninfo), projections=projections)
    async with await connect(conninfo) as connection:
        began, cpu = perf_counter(), process_time()
        while await runner.step(connection):
            pass
        seconds, cpu = perf_counter() - began, process_time() - cpu
        await _must_be_at(connection, projections, end)
    await log.close()
    return {"events": end, "seconds": seconds, "cpu": cpu, "peak": peak_memory()}


async def _must_be_at(connection: Connection, projections: Sequence[Projection], end: int) -> None:
    found = await build_states(connection, [live(projection) for projection in projections])
    behind = {schema: at for schema, at in found.items() if at.position != end or at.problem is not None}
    if behind or len(found) != len(projections):
        raise Spoiled(f"not all projections are at position {end}: {behind or found}")


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projections", required=True, help="their names, with commas between them")
    names = parser.parse_args().projections.split(",")
    tune_garbage_collection()  # as the projector does
    found = uvloop.run(catch_up(os.environ["BENCHMARK_DATABASE"], [BY_NAME[name] for name in names]))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
