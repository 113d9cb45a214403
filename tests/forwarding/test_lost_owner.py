"""Whoever asks a forwarding worker gets an answer, once, whatever becomes of the owner of the log."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg
import pytest

from ledger.commit.submission import Recorded
from ledger.domain.commands import GrantCredits
from ledger.forwarding import frames, group_member
from ledger.forwarding.frames import FrameProtocol
from ledger.forwarding.group import Group
from ledger.forwarding.messages import command_message, hello_message, together_message
from ledger.forwarding.owner import OwnerListener
from ledger.service import Ledger
from tests.postgres import owner
from tests.store.asking import balance, deduct, deduction, open_account, sound, submission

Member = Callable[[], Ledger]


@asynccontextmanager
async def stranger_with_lock(database: str, group: Group) -> AsyncIterator[None]:
    """A process that has the lock of the group and never answers; its server process may be ended."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", [group.lock])
        yield


async def until_owner(ledger: Ledger) -> None:
    async with asyncio.timeout(30):
        while not ledger.owns:  # noqa: ASYNC110  # a flag for programs, not an event
            await asyncio.sleep(0.01)


async def test_what_is_in_flight_when_the_owner_stops_is_answered_as_the_original(member: Member) -> None:
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(member().running())
        async with member().running() as other:
            await open_account(other, "a", permanent=1_000)
            asked = [asyncio.create_task(deduct(other, "a", 1, f"{n}")) for n in range(200)]
            together = asyncio.create_task(other.execute_together([deduction("a", 1, f"t{n}") for n in range(50)]))
            await asyncio.sleep(0)
            assert owner.owns
            await stack.aclose()
            outcomes = [*await asyncio.gather(*asked), *await together]
            assert all(isinstance(one, Recorded) and not one.replayed for one in outcomes)
            assert await balance(other, "a") == 750
            await until_owner(other)
            assert isinstance(await deduct(other, "a", 1, "later"), Recorded)
            assert other.waiting == 0
            await sound(other)


async def test_an_owner_without_its_lock_forwards_what_it_was_asked(
    member: Member, database: str, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server process is ended, and somebody else is faster with the lock: it looks for the next owner, finds that
    nobody answers, and becomes the owner again."""
    monkeypatch.setattr(group_member, "TICK", 0.02)
    async with member().running() as owner:
        await open_account(owner, "a", permanent=100)
        holder = await owner.log.lock_holder(group.lock)
        assert holder is not None
        async with asyncio.TaskGroup() as tasks, stranger_in_line(database, group):
            await owner.log.end_lock_holder(group.lock, holder)
            asked = [tasks.create_task(deduct(owner, "a", 1, f"{n}")) for n in range(20)]
            batch = tasks.create_task(owner.execute_together([deduction("a", 1, "t1"), deduction("a", 1, "t2")]))
            outcomes = [*await asyncio.gather(*asked), *await batch]
        assert all(isinstance(one, Recorded) and not one.replayed for one in outcomes)
        assert await owner.log.lock_holder(group.lock) != holder
        assert await balance(owner, "a") == 78
        await sound(owner)


@asynccontextmanager
async def stranger_in_line(database: str, group: Group) -> AsyncIterator[None]:
    """A process that waits for the lock of the group, so that it gets it before anybody who only tries."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        waiting = asyncio.create_task(connection.execute("SELECT pg_advisory_lock(%s)", [group.lock]))
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as looking:
            query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while (await (await looking.execute(query)).fetchone()) != (1,):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        yield
        await waiting


async def test_an_owner_that_listens_and_does_not_answer_is_replaced(
    member: Member, database: str, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_member, "TICK", 0.02)
    async with stranger_with_lock(database, group):
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(group.address))
            silent.listen()
            async with member().running() as ledger:
                assert ledger.owns
                await open_account(ledger, "a", permanent=100)


async def test_an_owner_that_never_listens_is_replaced(
    member: Member, database: str, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_member, "TICK", 0.02)
    async with stranger_with_lock(database, group), member().running() as ledger:
        assert ledger.owns


async def test_the_folder_is_made_again_and_must_be_private(member: Member, group: Group) -> None:
    group.folder.rmdir()
    async with member().running() as owner:
        assert owner.owns
        assert group.folder.stat().st_mode & 0o777 == 0o700
    group.folder.chmod(0o755)
    with pytest.raises(PermissionError, match="not private"):
        async with member().running():
            pass


class Echo(FrameProtocol):
    """Sends back what it receives, and keeps it."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[object] = []

    def received(self, message: list[object]) -> None:
        """Keep a message."""
        self.messages.append(message)


async def test_messages_of_all_sizes_arrive_in_order(group: Group) -> None:
    receiver, sender = Echo(), Echo()
    server = await frames.listen(group.address, lambda: receiver)
    await frames.connect(group.address, sender)
    sizes = [1, 10, frames.LARGEST, 5, 300_000, *[200] * 2_000]
    for number, size in enumerate(sizes):
        sender.send(b'[%d,"%s"]' % (number, b"x" * size))
    async with asyncio.timeout(30):
        while len(receiver.messages) < len(sizes):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert receiver.messages == [[number, "x" * size] for number, size in enumerate(sizes)]
    sender.close()
    async with asyncio.timeout(30):
        await receiver.closed.wait()
    server.close()


async def test_what_is_no_frame_ends_the_connection(group: Group) -> None:
    receiver, sender = Echo(), Echo()
    server = await frames.listen(group.address, lambda: receiver)
    await frames.connect(group.address, sender)
    sender.send(b"no JSON")
    async with asyncio.timeout(30):
        await sender.closed.wait()
    assert receiver.messages == []
    server.close()


async def test_what_arrives_on_an_earlier_connection_of_a_worker_is_not_carried_out(
    member: Member, group: Group
) -> None:
    """It may have been asked again on the later one, and refused."""
    async with member().running() as owner:
        await open_account(owner, "a", permanent=10)
        earlier, later = Echo(), Echo()
        for connection in (earlier, later):
            await frames.connect(group.address, connection)
            connection.send(hello_message("one worker"))
            async with asyncio.timeout(30):
                while not connection.messages:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        earlier.send(command_message(1, deduction("a", 1, "late")))
        async with asyncio.timeout(30):
            await earlier.closed.wait()
        later.send(command_message(1, deduction("a", 2, "again")))
        async with asyncio.timeout(30):
            while len(later.messages) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await balance(owner, "a") == 8
        later.close()


@pytest.mark.parametrize("together", [False, True])
async def test_what_is_asked_again_while_it_is_carried_out_is_carried_out_once(
    member: Member, database: str, group: Group, *, together: bool
) -> None:
    """It is refused, and then its account gets credits: a second try would record what the caller knows as refused."""
    messages = [command_message(1, deduction("a", 5, "once"))]
    if together:
        messages = [together_message(1, 2), *messages, command_message(1, deduction("a", 5, "twice"))]
    async with member().running() as ledger, await psycopg.AsyncConnection.connect(owner(database)) as blocking:
        await open_account(ledger, "a")
        earlier, later = Echo(), Echo()
        await said(group, earlier)
        await blocking.execute("LOCK TABLE ledger.events IN ACCESS EXCLUSIVE MODE")
        for message in messages:
            earlier.send(message)
        async with asyncio.timeout(30):
            while not listener_of(ledger).in_flight:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        more = submission(GrantCredits("a", "permanent", 20), "grant", "late")
        granted = asyncio.create_task(ledger.execute(more))
        earlier.abort()
        await said(group, later)
        for message in messages:
            later.send(message)
        await blocking.rollback()
        assert isinstance(await granted, Recorded)
        async with asyncio.timeout(30):
            while len(later.messages) < 2 + 2 * together:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert isinstance(await deduct(ledger, "a", 1, "afterwards"), Recorded)
        assert await balance(ledger, "a") == 19
        assert "InsufficientCredits" in str(later.messages[-1])
        later.close()


def listener_of(ledger: Ledger) -> OwnerListener:
    assert ledger.group is not None
    assert ledger.group._listener is not None
    return ledger.group._listener


async def said(group: Group, connection: Echo) -> None:
    """Connect, say which worker it is, and wait for the owner's answer."""
    await frames.connect(group.address, connection)
    connection.send(hello_message("one worker"))
    async with asyncio.timeout(30):
        while not connection.messages:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
