"""One run: a seed, and all that follows from it.

`Run(seed).play()` builds a server, some processes of the real Ledger on it and some clients, lets all of them live in
made-up time through trouble and then through quiet, and leaves what happened in `requests`, `server` and `trace`.
check.py says whether that is right.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from logging import ERROR, Handler, LogRecord, getLogger
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg

from ledger.commit.submission import Outcome, Overloaded, Recorded, Unavailable
from ledger.forwarding.group import Group
from ledger.forwarding.messages import CommandFailed
from ledger.service import Ledger
from ledger.store.records import sealing
from tests.simulation.asking import Ask, Askers
from tests.simulation.driver import driving
from tests.simulation.loop import Deadlock, Endless, VirtualLoop
from tests.simulation.network import THIS_PROCESS, Network
from tests.simulation.newer_asking import NewerWords
from tests.simulation.plan import Plan
from tests.simulation.server import Server
from tests.simulation.weather import Weather

DAY_ZERO = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST_SETTLING = 400.0
"""Seconds after the trouble within which everybody must have an answer."""
MOST_PROCESSES = 8
GROUP = Group(Path("/nowhere"), "simulated")
"""What processes belong to that are workers of one service."""


class Wrong(AssertionError):
    """Something that must not be."""


class Request:
    """One time that somebody asked: for one command, or for several together."""

    __slots__ = (
        "answer",
        "answered_at",
        "asked_at",
        "asks",
        "atomic",
        "error",
        "known_after",
        "known_before",
        "number",
        "process",
    )

    def __init__(self, number: int, process: "Process", asks: list[Ask], *, atomic: bool) -> None:
        self.number = number
        self.process = process
        self.asks = asks
        self.atomic = atomic
        self.answer: list[Outcome] | None = None
        self.error: str | None = None
        """Why there is no answer."""
        self.asked_at = 0.0
        self.answered_at = 0.0
        self.known_before = 0
        """The end of the log when it was asked, and when it was answered."""
        self.known_after = 0

    def request_id(self, index: int) -> str:
        """What the log knows one of its commands by."""
        return f"{self.number}.{index}"

    def __repr__(self) -> str:
        return f"request {self.number} to {self.process.name}"


class Secrets:
    """Stands where the module `secrets` stands: keys and nonces come from the seed too."""

    def __init__(self, rng: random.Random) -> None:
        self.token_bytes = rng.randbytes


class Process:
    """A service process: a real Ledger with all that belongs to it, and a clock of its own."""

    def __init__(self, run: "Run", name: str) -> None:
        self.name = name
        self.killed = False
        self.leaving = asyncio.Event()
        self.up = asyncio.Event()
        self.readings: list[tuple[float, datetime]] = []
        """What its clock said, and when."""
        self.drift = timedelta(seconds=run.plan.drift())
        self._run = run
        self.ledger = self._ledger()
        self.asking: dict[int, asyncio.Task[Any]] = {}
        self.life = asyncio.create_task(self._live())
        self.life.add_done_callback(self._check_end)

    def _ledger(self) -> Ledger:
        plan = self._run.plan
        return Ledger(
            f"dbname={self.name}",
            clock=self._clock,
            cached_accounts=plan.cached_accounts,
            queue_limit=plan.queue_limit,
            patience=plan.patience,
            group=GROUP if plan.grouped else None,
        )

    def _clock(self) -> datetime:
        at = asyncio.get_running_loop().time()
        now = DAY_ZERO + timedelta(seconds=at) + self.drift
        if not self.readings or self.readings[-1] != (at, now):
            self.readings.append((at, now))
        return now

    async def _live(self) -> None:
        THIS_PROCESS.set(self.name)
        while not self.killed and not self.leaving.is_set():
            try:
                async with self.ledger.running():
                    self._run.tell(self.name, "is up")
                    self.up.set()
                    await self.leaving.wait()
                    self.up.clear()
            except psycopg.Error as error:
                self._run.tell(self.name, "cannot start:", error)
                self.ledger = self._ledger()
        self._run.tell(self.name, "has stopped")

    def _check_end(self, life: asyncio.Task[None]) -> None:
        error = None if life.cancelled() else life.exception()
        if error is not None:
            self._run.loop.problems.append(f"{self.name} dies of {error!r}")

    @property
    def deciders(self) -> list["Process"]:
        """The processes that may decide what this one is asked."""
        return self._run.processes if self._run.plan.grouped else [self]

    @property
    def has_open_desks(self) -> bool:
        """Whether something is in flight. A desk that stays open for ever is an account that takes nothing any more."""
        group = self.ledger.group
        if group is not None and group.committer is None:
            return bool(group.forwarder._units)
        return bool(list(self.ledger.committer._queues))

    def stop(self) -> None:
        """Ask it to finish what is in flight and to stop."""
        self.up.clear()
        self.leaving.set()

    def kill(self) -> None:
        """It is gone at this moment: whoever asked it learns nothing, and its connections break."""
        self.killed = True
        self.up.clear()
        self._run.server.cut_off(self.name, float("inf"))
        self._run.network.kill(self.name)
        for task in list(self.asking.values()):
            task.cancel()
        self.life.cancel()


class Run:
    """The world of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.plan = Plan(self.rng)
        self.plan.cut_into_slices(random.Random(seed + 1))
        self.plan.form_group(random.Random(seed + 2))
        self.trace: list[tuple[Any, ...]] = []
        self.requests: list[Request] = []
        self.processes: list[Process] = []
        self.weather = Weather(self.rng, brittle=self.plan.brittle)
        if self.plan.calm:
            self.weather.clear_up()
        self.server = Server(self.rng, self.weather, self.tell)
        plan, newer = self.plan, NewerWords.of_run(seed)
        self.askers = Askers(self.rng, plan.accounts, newer, repeats=plan.repeats, brittle=plan.scarce)
        self.loop = VirtualLoop()
        self.network = Network(random.Random(seed + 3), self.tell)
        self._unsettled: dict[tuple[Ask, ...], bool] = {}

    def tell(self, who: object, *what: object) -> None:
        """One line of the trace."""
        self.trace.append((self.loop.time(), who, *what))

    @property
    def story(self) -> list[str]:
        """The trace in words: who did what, and when."""
        return [f"{at:11.6f} {who} {' '.join(map(str, what))}" for at, who, *what in self.trace]

    def play(self) -> None:
        """Live through it. Raises Wrong when somebody hangs, or something dies that nobody hears of."""
        names = [f"p{n}" for n in range(MOST_PROCESSES)]
        with ExitStack() as stack:
            for module, name, value in self.plan.constants:
                stack.enter_context(patch.object(module, name, value))
            stack.enter_context(patch.object(sealing, "secrets", Secrets(self.rng)))
            stack.enter_context(driving(self.server, names))
            stack.enter_context(self.network.connecting())
            stack.enter_context(_overheard(self._overhear))
            try:
                self.loop.run_until_complete(self._all())
            except (Deadlock, Endless, TimeoutError) as error:
                raise Wrong(f"somebody hangs: {error!r}") from error
            finally:
                self._clear_away()
        if self.loop.problems:
            raise Wrong("; ".join(self.loop.problems))

    def _clear_away(self) -> None:
        try:
            self.loop.run_until_complete(_end(sorted(asyncio.all_tasks(self.loop), key=hash)))
        except (Deadlock, Endless):
            self.loop.problems.append("a task cannot be cancelled")
        self.loop.close()

    def _overhear(self, record: LogRecord) -> None:
        message = record.getMessage()
        self.tell("a process", "logs:", message)
        if "back in time" in message or "broken" in message:
            self.loop.problems.append(message)

    # The course of a run -------------------------------------------------------------------------------------------

    async def _all(self) -> None:
        for _ in range(self.plan.processes):
            self._new_process()
        trouble = asyncio.create_task(self._trouble())
        async with asyncio.timeout(LONGEST_SETTLING):
            await self.processes[0].up.wait()
            clients = [asyncio.create_task(self._opener(account)) for account in self.plan.accounts]
            if self.plan.opens_first:
                await asyncio.gather(*clients)
            clients += [asyncio.create_task(self._client()) for _ in range(self.plan.clients)]
            await trouble
            await asyncio.gather(*clients)
        self.weather.clear_up()
        self.network.clear_up()
        self.tell("weather", "clears up")
        async with asyncio.timeout(LONGEST_SETTLING):
            await self._answer_appended()
            while any(process.has_open_desks for process in self.processes if process.up.is_set()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            for process in self.processes:
                process.stop()
            await asyncio.gather(*(process.life for process in self.processes), return_exceptions=True)

    def _new_process(self) -> None:
        self.processes.append(Process(self, f"p{len(self.processes)}"))

    async def _trouble(self) -> None:
        rng = self.rng
        for _ in range(self.plan.events):
            await asyncio.sleep(rng.random() * self.plan.pace * self.plan.asks)
            rng.choice(self._troubles())()
        if self.plan.events:
            await asyncio.sleep(self.weather.long())

    def _troubles(self) -> list[Callable[[], None]]:
        of_groups = [self._freeze, self._cut_links, self._kill_owner] if self.plan.grouped else []
        return [
            *of_groups,
            self._crash,
            self._cut_off,
            self._kill,
            self._stop,
            self._stop_behind_lock,
            self._set_clock,
            self._hold_lock,
            self.server.lose_snapshots,
        ]

    def _owner(self) -> Process | None:
        return next((one for one in self.processes if one.up.is_set() and one.ledger.owns), None)

    def _freeze(self) -> None:
        """What a process sends to others, or they to it, does not arrive for a while. Its own clients do not notice."""
        process = self._owner() or self.rng.choice(self.processes)
        if not process.killed:
            self.tell(process.name, "is frozen")
            seconds = self.weather.long() + 0.1  # longer than an owner may be silent, most of the time
            self.network.freeze(process.name, seconds)
            self.server.freeze(process.name, seconds)
            if self.weather.mostly():
                self.loop.call_later(self.rng.random() * 0.1, self._cut_links)

    def _cut_links(self) -> None:
        self.tell("network", "breaks")
        self.network.cut_all()

    def _kill_owner(self) -> None:
        owner = self._owner()
        if owner is not None and len(self.processes) < MOST_PROCESSES:
            self.tell(owner.name, "is killed as the owner")
            owner.kill()
            self._new_process()

    def _crash(self) -> None:
        self.tell("server", "crashes")
        self.server.crash(self.weather.long())

    def _cut_off(self) -> None:
        process = self.rng.choice(self.processes)
        if not process.killed:
            self.tell(process.name, "is cut off")
            self.server.cut_off(process.name, self.weather.long())

    def _kill(self) -> None:
        process = self.rng.choice(self.processes)
        if len(self.processes) < MOST_PROCESSES and process.up.is_set():
            self.tell(process.name, "is killed")
            process.kill()
            self._new_process()

    def _stop(self) -> None:
        process = self.rng.choice(self.processes)
        if len(self.processes) < MOST_PROCESSES and process.up.is_set():
            self.tell(process.name, "is told to stop")
            process.stop()
            self._new_process()

    def _stop_behind_lock(self) -> None:
        self._hold_lock()
        self.loop.call_later(self.rng.random() * 0.1, self._stop)

    def _set_clock(self) -> None:
        process = self.rng.choice(self.processes)
        process.drift = timedelta(seconds=self.plan.drift())
        self.tell(process.name, "has its clock set to", process.drift)

    def _hold_lock(self) -> None:
        self._spawned = asyncio.create_task(self.server.hold_lock(self.weather.long()))

    # Clients -------------------------------------------------------------------------------------------------------

    async def _opener(self, account: str) -> None:
        await self._insist((self.askers.opening(account),), 3)

    async def _client(self) -> None:
        rng, plan = self.rng, self.plan
        for _ in range(plan.asks):
            await asyncio.sleep(rng.random() * plan.pace)
            asks = [self.askers.draw()]
            if rng.random() < plan.atomic:
                asks = self.askers.draw_together()
            twins = 1 + (rng.random() < plan.twins) + (rng.random() < plan.twins)
            await asyncio.gather(*(self._insist(tuple(asks), rng.randint(1, 4)) for _ in range(twins)))

    async def _insist(self, asks: tuple[Ask, ...], times: int) -> None:
        """Ask, and ask again while the outcome is not known, as often as this client cares to."""
        for _ in range(times):
            request = await self._ask(asks)
            if request.answer is not None:
                self._unsettled.pop(asks, None)
                return
            if request.error != "overloaded":
                self._unsettled[asks] = True
            await asyncio.sleep(self.weather.long() if request.error == "unavailable" else self.rng.random() * 0.1)

    async def _ask(self, asks: tuple[Ask, ...]) -> Request:
        process = await self._some_process()
        request = Request(len(self.requests), process, list(asks), atomic=len(asks) > 1)
        self.requests.append(request)
        request.asked_at, request.known_before = self.loop.time(), len(self.server.tables.log)
        self.tell("client", "asks", request, asks)
        work = process.asking[request.number] = asyncio.create_task(self._carry_out(request))
        if self.rng.random() < self.plan.impatience:
            self.loop.call_later(self.rng.random() * self.plan.pace, work.cancel)
        try:
            request.answer = await work
        except Overloaded:
            request.error = "overloaded"
        except Unavailable:
            request.error = "unavailable"
        except asyncio.CancelledError:
            request.error = "nobody waits any more"
        except (psycopg.Error, CommandFailed) as error:
            request.error = f"failed: {error}"
        del process.asking[request.number]
        request.answered_at, request.known_after = self.loop.time(), len(self.server.tables.log)
        self.tell("client", "has from", request, request.error or request.answer)
        for answer in request.answer or ():
            if isinstance(answer, Recorded):
                self.askers.learn(answer.account_id, answer.version, answer.events)
        return request

    async def _carry_out(self, request: Request) -> list[Outcome]:
        submissions = [ask.submission(request.request_id(index)) for index, ask in enumerate(request.asks)]
        ledger = request.process.ledger
        if request.atomic:
            return await ledger.execute_together(submissions)
        return [await ledger.execute(submissions[0])]

    async def _some_process(self) -> Process:
        while True:
            living = [process for process in self.processes if process.up.is_set()]
            if living:
                return self.rng.choice(living)
            await asyncio.sleep(0.1)

    async def _answer_appended(self) -> None:
        """Ask for everything again of which the outcome is not known, until it is."""
        while self._unsettled:
            asks = next(iter(self._unsettled))
            del self._unsettled[asks]
            if all(ask.receipt is not None for ask in asks):
                request = await self._ask(asks)
                if request.answer is None:
                    self._unsettled[asks] = True
                    await asyncio.sleep(0.5)


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Ear(Handler):
    def __init__(self, hear: Callable[[LogRecord], None]) -> None:
        super().__init__(ERROR)
        self._hear = hear

    def emit(self, record: LogRecord) -> None:
        """Pass it on."""
        self._hear(record)


@contextmanager
def _overheard(hear: Callable[[LogRecord], None]) -> Iterator[None]:
    """Until the block ends, what the ledger logs as an error goes to `hear` and nowhere else."""
    logger, ear = getLogger("credit_ledger"), _Ear(hear)
    before = logger.propagate, logger.level
    logger.addHandler(ear)
    logger.propagate = False
    logger.setLevel(ERROR)
    try:
        yield
    finally:
        logger.removeHandler(ear)
        logger.propagate = before[0]
        logger.setLevel(before[1])
