"""The projector: the process that updates the projections and signs checkpoints, so that commands wait for neither.

`serve` starts one. Any number of projectors may run on one database, on any machine: one works, the others wait.
"""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import uvloop

from api.runtime.checkpoints import checkpoint_keys
from api.runtime.listening.announcement import START
from api.runtime.metrics.shared_folder import with_shared_metrics
from api.runtime.processes.children.parent_process import signal_at_end_of
from api.runtime.processes.children.process_name import name_process
from api.runtime.processes.children.waiting_fork import WaitingFork, waiting_fork
from api.runtime.processes.garbage_collection import tune_garbage_collection
from api.runtime.processes.logs import start_logging
from api.runtime.processes.restarts import Restarts
from api.runtime.settings import FILE, Settings, load_settings, secret_settings, variable
from api.runtime.telemetry.telemetry import OFF, Telemetry, telemetry_here
from ledger.commit.notifications import CommitListener
from ledger.postgres.application_name import name_connections
from ledger.proof.checkpointer import Checkpointer
from ledger.store import EventLog, Feed
from projections.checks.watch import Watch
from projections.engine.runner import Runner
from projections.engine.upgrade import Upgrades

_NAME = "projector"
_NICENESS = 5
"""On a busy machine the workers, whose clients wait for an answer, run first."""
_RESTART = 0.5
_STOP = 10.0
_LOOK = 0.02
_log = logging.getLogger("credit_ledger.projector")


async def project(settings: Settings, telemetry: Telemetry = OFF) -> None:
    """Update the projections and sign checkpoints, until cancelled."""
    from api.runtime.metrics.projection_lag import keep_shown  # see there

    assert settings.database_url is not None, "the parent process sets the database URL"
    conninfo = settings.database_url.get_secret_value()
    log = EventLog(conninfo, readers=4)
    await log.open()
    try:
        async with log.connection() as connection:
            keys = await checkpoint_keys(connection, settings)
        async with CommitListener(conninfo).listening() as listener, asyncio.TaskGroup() as tasks:
            runner = telemetry.of(Runner)(conninfo, Feed(log), listener)
            tasks.create_task(runner.run())
            tasks.create_task(keep_shown(runner.lags))
            tasks.create_task(Upgrades(conninfo, log, lambda: runner.leads).run())
            tasks.create_task(Watch(conninfo).run())
            signs = Checkpointer(
                log,
                keys,
                lambda: runner.leads,
                seconds=settings.checkpoint_seconds,
                events=settings.checkpoint_events,
            )
            tasks.create_task(signs.run())
    finally:
        await log.close()
        await telemetry.stop()


def waiting_projector() -> AbstractContextManager[WaitingFork | None]:
    """A fork of this program, until the block ends, that becomes the first projector: it has imported all of it."""
    return waiting_fork(_NAME, _secret_variables(), run)


@contextmanager
def projecting(restarts: Restarts, first: WaitingFork | None = None) -> Iterator[None]:
    """Run a projector with the same settings until the block ends. If it ends earlier, start another."""
    stopping = threading.Event()
    guard = threading.Thread(target=_guard, args=[stopping, restarts, first], name="projector", daemon=True)
    guard.start()
    try:
        yield
    finally:
        stopping.set()
        guard.join(_STOP + _RESTART)


def _guard(stopping: threading.Event, restarts: Restarts, first: WaitingFork | None) -> None:
    if first is not None:
        first.begin(_environment())
    while not stopping.is_set():
        process, first = first or _started(), None
        while process.poll() is None and not stopping.wait(_RESTART):
            pass
        if not stopping.is_set():
            _log.error("the projector ended with status %s: starting another", process.returncode)
            restarts.note("projector")
            continue
        _stop(process)


def _started() -> "subprocess.Popen[bytes]":
    """A projector as a program of its own: this one has threads by now, and a fork would have copies of their locks.

    It has a session of its own, so that Ctrl-C reaches the parent only, which then stops the projector. With -P, a
    folder `api` where the service was started is not taken for the program.
    """
    command = [sys.executable, "-P", "-m", "api.runtime.processes.projector", str(os.getpid())]
    return subprocess.Popen(command, env=_environment(), start_new_session=True)  # noqa: S603 - our own module


def _stop(process: "subprocess.Popen[bytes] | WaitingFork") -> None:
    process.send_signal(signal.SIGTERM)
    until = time.monotonic() + _STOP
    while process.poll() is None:
        if time.monotonic() > until:
            process.send_signal(signal.SIGKILL)
        time.sleep(_LOOK)


def _environment() -> dict[str, str]:
    """The environment of the projector, which signs nobody in and receives nothing."""
    secret = {*_secret_variables()} - {variable("database_url")}
    return with_shared_metrics({name: value for name, value in os.environ.items() if name not in secret})


def _secret_variables() -> list[str]:
    return [variable(name) + end for name in secret_settings() for end in ("", FILE)]


def main() -> None:
    """The main function of the projector as a program of its own. The end of the parent (the argument) ends it."""
    name_process(_NAME)
    if len(sys.argv) > 1:
        signal_at_end_of(int(sys.argv[1]), signal.SIGTERM)
    run()


def run() -> None:
    """Be the projector, until SIGTERM or SIGINT. The settings are in the environment."""
    name_connections(_NAME)
    os.nice(_NICENESS)
    settings = load_settings()
    start_logging(settings.log_level, settings.log_format)
    tune_garbage_collection()
    telemetry = telemetry_here(accounts=settings.trace_accounts, start=os.environ.get(START, ""))
    uvloop.run(_project_until_signal(settings, telemetry))


async def _project_until_signal(settings: Settings, telemetry: Telemetry) -> None:
    work = asyncio.create_task(project(settings, telemetry))

    def end() -> None:
        signal.alarm(int(_STOP))  # ends the process if a library loses the cancellation (Python 3.11)
        work.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    await asyncio.gather(work, return_exceptions=True)
    if not work.cancelled():
        work.result()


if __name__ == "__main__":
    main()
