"""The owner's side: it listens for the other workers, carries out their commands and sends them the outcomes."""

import asyncio
import logging
from collections.abc import Sequence

from ledger.cancellation import end_tasks
from ledger.commit.committer import Committer
from ledger.commit.submission import Outcome, Overloaded, Submission, Unavailable, UnitOfWork
from ledger.forwarding import frames
from ledger.forwarding.frames import FrameProtocol
from ledger.forwarding.group import Group
from ledger.forwarding.messages import (
    HELLO,
    PING,
    TOGETHER,
    Message,
    error_message,
    outcome_message,
    read_command,
    ready_message,
    together_message,
)

_log = logging.getLogger("credit_ledger.forwarding")


class ForwarderConnection(FrameProtocol):
    """The connection of one forwarding worker."""

    def __init__(self, listener: "OwnerListener") -> None:
        super().__init__()
        self.in_flight = 0
        """Commands of its worker that are not carried out yet."""
        self.waiting: dict[int, Forwarded | ForwardedTogether] = {}
        """Who waits for their outcomes, by the number of their messages."""
        self._listener = listener
        self._batch: list[Message] = []
        """The commands of an atomic batch that have arrived, and its number and how many are missing."""
        self._batch_number = 0
        self._missing = 0

    def received(self, message: Message) -> None:
        """Carry out a command, or answer what is no command."""
        first = message[0]
        if first == TOGETHER:
            _, self._batch_number, self._missing = message
        elif first in (HELLO, PING):
            if first == HELLO:
                self._listener.introduce(message[1], self)
            self.send(ready_message(available=self._listener.committer.admission.available))
        elif self._missing:
            self._gather(message)
        else:
            self._carry_out(message)

    def _carry_out(self, message: Message) -> None:
        number = message[0]
        if number in self.waiting:
            self.waiting[number].ask_again()
            return
        try:
            submission = read_command(message)
            waiting = self.waiting[number] = Forwarded(self, number, submission)
            self._listener.committer.accept(submission, waiting)
        except Exception as error:  # of one command, for whatever reason: its caller is told, and all others go on
            self._refuse(number, error)
        else:
            self.in_flight += 1

    def _gather(self, message: Message) -> None:
        self._batch.append(message)
        self._missing -= 1
        if self._missing:
            return
        number, batch = self._batch_number, self._batch
        self._batch = []
        if number in self.waiting:
            self.waiting[number].ask_again()
            return
        try:
            submissions = list(map(read_command, batch))
            waiting = self.waiting[number] = ForwardedTogether(self, number, submissions)
            self._listener.committer.accept_together(submissions, waiting)
        except Exception as error:  # as for one command
            self._refuse(number, error)
        else:
            self.in_flight += len(batch)

    def _refuse(self, number: int, error: Exception) -> None:
        self.waiting.pop(number, None)
        if not isinstance(error, Overloaded | Unavailable):
            _log.exception("a forwarded command could not be accepted")
        self.send(error_message(number, error))

    def adopt(self, earlier: "ForwarderConnection") -> None:
        """Wait for what the earlier connection of the same worker waits for. The worker asks for all of it again."""
        self.waiting, earlier.waiting = earlier.waiting, {}
        self.in_flight, earlier.in_flight = earlier.in_flight, 0
        for waiting in self.waiting.values():
            waiting.move_to(self)


class _Waiter:
    """Waits for an outcome in place of the worker that has forwarded what has it.

    A worker that has lost its connection asks again for whatever it has no answer to. What is still being carried out
    then is carried out once: its outcome waits until the worker asks for it, and is the answer to that. Were it carried
    out a second time, it could be refused first and recorded later, and the caller would know of the refusal alone.
    """

    __slots__ = ("_connection", "_count", "_is_asked", "_kept", "_number")

    def __init__(self, connection: ForwarderConnection, number: int, count: int) -> None:
        self._connection = connection
        self._number = number
        self._count = count
        self._is_asked = True
        self._kept: Sequence[bytes] | None = None
        """The answer that waits until it is asked for."""

    def done(self) -> bool:
        """What was forwarded is answered only once, so it waits until then."""
        return False

    def move_to(self, connection: ForwarderConnection) -> None:
        """Answer on another connection, once it is asked for there."""
        self._connection = connection
        self._is_asked = False

    def ask_again(self) -> None:
        """It is asked for again: answer with what is there, or when it is there."""
        self._is_asked = True
        if self._kept is not None:
            self._answer(self._kept)

    def _end(self, answer: Sequence[bytes]) -> None:
        self._connection.in_flight -= self._count
        if self._is_asked:
            self._answer(answer)
        else:
            self._kept = answer

    def _answer(self, answer: Sequence[bytes]) -> None:
        del self._connection.waiting[self._number]
        for message in answer:
            self._connection.send(message)


class Forwarded(_Waiter):
    """Waits for the outcome of a forwarded command."""

    __slots__ = ("_submission",)

    def __init__(self, connection: ForwarderConnection, number: int, submission: Submission) -> None:
        super().__init__(connection, number, 1)
        self._submission = submission

    def set_result(self, outcome: Outcome) -> None:
        """Answer with the outcome."""
        self._end((outcome_message(self._number, self._submission, outcome),))

    def set_exception(self, error: Exception) -> None:
        """Answer with the error in its place."""
        self._end((error_message(self._number, error),))


class ForwardedTogether(_Waiter):
    """Waits for the outcomes of a forwarded atomic batch."""

    __slots__ = ("_batch",)

    def __init__(self, connection: ForwarderConnection, number: int, batch: Sequence[Submission]) -> None:
        super().__init__(connection, number, len(batch))
        self._batch = batch

    def set_result(self, outcomes: list[Outcome]) -> None:
        """Answer with the outcomes."""
        told = zip(self._batch, outcomes, strict=True)
        messages = [outcome_message(self._number, submission, outcome) for submission, outcome in told]
        self._end((together_message(self._number, len(outcomes)), *messages))

    def set_exception(self, error: Exception) -> None:
        """Answer with the error in their place."""
        self._end((error_message(self._number, error),))


def is_forwarded(unit: UnitOfWork) -> bool:
    """Whether another worker waits for a unit of work. It asks the next owner for it again."""
    waiting = unit.submissions[0].outcome if unit.atomic is None else unit.atomic
    return isinstance(waiting, Forwarded | ForwardedTogether)


class OwnerListener:
    """Listens for forwarding workers, and keeps one connection of each."""

    def __init__(self, committer: Committer) -> None:
        self.committer = committer
        self._connections: set[ForwarderConnection] = set()
        self._by_forwarder: dict[str, ForwarderConnection] = {}
        self._server: asyncio.AbstractServer | None = None

    @property
    def in_flight(self) -> int:
        """The number of forwarded commands that wait for their commit."""
        return sum(connection.in_flight for connection in self._connections)

    async def start(self, group: Group) -> None:
        """Listen. Raises OSError."""
        self._server = await frames.listen(group.address, self._connection)

    def introduce(self, forwarder: str, connection: ForwarderConnection) -> None:
        """Close the earlier connection of a forwarding worker, and take over what it waits for: what arrived on it is
        asked again on this one, and must not be carried out twice."""
        earlier = self._by_forwarder.get(forwarder)
        if earlier is not None and earlier is not connection:
            earlier.abort()
            connection.adopt(earlier)
        self._by_forwarder[forwarder] = connection
        self._connections = {one for one in self._connections if one.in_flight or not one.closed.is_set()}

    def stop_reading(self) -> None:
        """Take no more commands, and answer those that were taken."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.stop_reading()

    def close(self) -> None:
        """Take no more commands, send the outcomes that are there, and close all connections."""
        self.stop_reading()
        for connection in self._connections:
            connection.close()

    async def closed(self, patience: float) -> None:
        """Return when all outcomes have been sent, or after `patience` seconds."""
        waits = [asyncio.ensure_future(connection.closed.wait()) for connection in self._connections]
        if waits:
            await asyncio.wait(waits, timeout=patience)
            await end_tasks(waits)

    def _connection(self) -> ForwarderConnection:
        connection = ForwarderConnection(self)
        self._connections.add(connection)
        return connection
