"""An answer that is shared is made once for all who ask at the same time, and is never old."""

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
    assert await shared.get(make) == 1


async def test_an_answer_that_is_too_old_is_made_again() -> None:
    shared, make = SharedAnswer[int](-1), Counting()
    make.may_end.set()
    assert [await shared.get(make) for _ in range(3)] == [1, 2, 3]


async def test_a_failure_is_raised_to_all() -> None:
    async def fail() -> int:
        raise ValueError

    shared = SharedAnswer[int](60)
    for _ in range(2):
        with pytest.raises(ValueError, match=""):
            await shared.get(fail)
