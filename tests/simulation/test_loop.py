"""The scheduler keeps asyncio's promises, in made-up time."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from tests.simulation.loop import Deadlock, Endless, VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    yield made
    made.close()


def finish(loop: VirtualLoop, work: Coroutine[Any, Any, None]) -> None:
    """End what a test has left behind."""
    del work
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)


def test_time_passes_only_while_everybody_waits(loop: VirtualLoop) -> None:
    async def work() -> list[float]:
        seen = [loop.time()]
        await asyncio.sleep(0)
        seen.append(loop.time())
        await asyncio.sleep(3_600)
        return [*seen, loop.time()]

    assert loop.run_until_complete(work()) == [0.0, 0.0, 3_600.0]


def test_what_asyncio_offers_works(loop: VirtualLoop) -> None:
    async def late(event: asyncio.Event, seconds: float) -> float:
        await asyncio.sleep(seconds)
        event.set()
        return seconds

    async def work() -> None:
        event = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            slow, fast = group.create_task(late(event, 2)), group.create_task(late(event, 1))
            await event.wait()
            assert (loop.time(), fast.done(), slow.done()) == (1, True, False)
        assert list(await asyncio.gather(late(event, 1), late(event, 3))) == [1, 3]
        assert loop.time() == 5
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 1)
        assert loop.time() == 6
        assert await asyncio.wait_for(late(event, 1), 2) == 1

    loop.run_until_complete(work())


def test_callbacks_run_in_the_order_in_which_they_were_scheduled(loop: VirtualLoop) -> None:
    async def work() -> list[int]:
        seen: list[int] = []
        for number in range(5):
            loop.call_soon(seen.append, number)
        loop.call_later(1, seen.append, 6)
        loop.call_later(0.5, seen.append, 5)
        await asyncio.sleep(2)
        return seen

    assert loop.run_until_complete(work()) == [0, 1, 2, 3, 4, 5, 6]


def test_waiting_for_nobody_is_an_error(loop: VirtualLoop) -> None:
    work = asyncio.Event().wait()
    with pytest.raises(Deadlock):
        loop.run_until_complete(work)
    finish(loop, work)  # type: ignore[arg-type]


def test_turning_for_ever_is_an_error(loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.simulation.loop.LONGEST", 100)

    async def turn() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0)

    work = turn()
    with pytest.raises(Endless):
        loop.run_until_complete(work)
    monkeypatch.undo()
    finish(loop, work)


def test_a_task_that_dies_unseen_is_noticed(loop: VirtualLoop) -> None:
    async def die() -> None:
        raise ZeroDivisionError

    async def work() -> None:
        loop.create_task(die())  # nobody keeps it: that is the point
        await asyncio.sleep(1)

    loop.run_until_complete(work())
    assert len(loop.problems) == 1
    assert "ZeroDivisionError" in loop.problems[0]


def test_sets_of_tasks_have_an_order() -> None:
    async def order() -> list[int]:
        async def name(number: int) -> int:
            return number

        tasks = {asyncio.ensure_future(name(number)) for number in range(50)}
        return [await task for task in tasks]

    orders = []
    for _ in range(2):
        loop = VirtualLoop()
        orders.append(loop.run_until_complete(order()))
        loop.close()
    assert orders[0] == orders[1]
