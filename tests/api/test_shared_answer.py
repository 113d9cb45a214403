"""An answer that is shared is made once for all who ask at the same time, and after they asked."""

import asyncio

import pytest

from api.http.shared_answer import SharedAnswer


class Counting:
    """Makes 1, 2, 3 and so on, and can be held up."""

    def __init__(self) -> None:
        self.made = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.made += 1
        number = self.made
        await self.may_end.wait()
        return number


async def test_all_who_ask_at_once_get_one_answer() -> None:
    shared, make = SharedAnswer[int](60), Counting()
    asking = [asyncio.create_task(shared.get(make)) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()  # who leaves does not end the answer of the others
    make.may_end.set()
    assert await asyncio.gather(*asking[1:]) == [1] * 49


async def test_no_answer_was_begun_before_it_was_asked_for() -> None:
    shared, make = SharedAnswer[int](0.01), Counting()
    early = asyncio.create_task(shared.get(make))
    while not make.made:  # noqa: ASYNC110  # until it is begun
        await asyncio.sleep(0)
    late = [asyncio.create_task(shared.get(make)) for _ in range(50)]
    await asyncio.sleep(0)
    make.may_end.set()
    assert await early == 1
    assert await asyncio.gather(*late) == [2] * 50


async def test_a_failure_is_raised_to_all_and_the_next_answer_is_made() -> None:
    async def fail() -> int:
        raise ValueError("why")

    shared, make = SharedAnswer[int](0), Counting()
    make.may_end.set()
    failed = await asyncio.gather(shared.get(fail), shared.get(fail), return_exceptions=True)
    assert [type(one) for one in failed] == [ValueError, ValueError]
    assert await shared.get(make) == 1
    with pytest.raises(ValueError, match="why"):
        await shared.get(fail)
