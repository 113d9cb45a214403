"""The forwarder's side: it sends commands to the owner, and answers them with the outcomes that come back.

A command stays here until it is answered. When the connection to the owner is lost, the next owner is asked for it
again under the same key and request id, so that its receipt tells whether it was carried out. Until there is an owner,
commands wait.
"""

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar, cast

from ledger.commit.admission import AdmissionControl
from ledger.commit.committer import Committer
from ledger.commit.submission import Outcome, Overloaded, Recorded, Submission, Unavailable, UnitOfWork, Waiting
from ledger.domain.commands import RecordExpiries
from ledger.domain.errors import Refusal
from ledger.forwarding import frames
from ledger.forwarding.frames import FrameProtocol
from ledger.forwarding.group import Group
from ledger.forwarding.messages import (
    PING_MESSAGE,
    READY,
    TOGETHER,
    Message,
    command_message,
    hello_message,
    read_outcome,
    together_message,
)

Value = TypeVar("Value")
_log = logging.getLogger("credit_ledger.forwarding")


class OwnerConnection(FrameProtocol):
    """The connection to the owner. It is of use once the owner has answered."""

    def __init__(self, answer: Callable[[Message], None]) -> None:
        super().__init__()
        self.ready = asyncio.Event()
        """Set when the owner has answered."""
        self.available = False
        """Whether the owner could commit when it was last asked."""
        self._answer = answer

    def received(self, message: Message) -> None:
        """Answer a command with its outcome, or note what the owner says of itself."""
        if message[0] == READY:
            self.available = message[1]
            self.ready.set()
        else:
            self._answer(message)

    def connection_lost(self, error: Exception | None) -> None:
        """Let nobody wait for an answer of the owner."""
        super().connection_lost(error)
        self.ready.set()


class Forwarder:
    """Commands of this process that another one carries out, or will."""

    def __init__(self, queue_limit: int) -> None:
        self.admission = AdmissionControl(queue_limit)
        self.owner: OwnerConnection | None = None
        """The connection to the owner; None while there is none."""
        self._forwarded = 0
        """How many commands were sent since `take_count`."""
        self._name = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._units: dict[int, UnitOfWork] = {}
        """What waits for its outcome, by the number of its messages, in order."""
        self._outcomes: list[Outcome | Exception] = []
        """The outcomes of an atomic batch that have arrived, and its number and how many are missing."""
        self._batch_number = 0
        self._missing = 0

    # Commands --------------------------------------------------------------------------------------------------

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Accept a command and return the future of its outcome. Raises Overloaded or Unavailable when it cannot."""
        self.admission.admit(1)
        submission.outcome = outcome = asyncio.get_running_loop().create_future()
        self.add(UnitOfWork([submission], None))
        return outcome

    def submit_together(self, submissions: Sequence[Submission]) -> asyncio.Future[list[Outcome]]:
        """Accept an atomic batch: all of its commands are carried out, or none. Raises Overloaded or Unavailable."""
        self.admission.admit(len(submissions))
        together: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self.add(UnitOfWork(list(submissions), together))
        return together

    def take_over(self, units: Iterable[UnitOfWork]) -> None:
        """Take what the committer of this process could not finish."""
        for unit in units:
            self.admission.waiting += len(unit.submissions)
            self.add(_to_ask_again(unit))

    def add(self, unit: UnitOfWork) -> None:
        """Add an admitted unit of work, and send it if there is an owner."""
        number = next(self._numbers)
        self._units[number] = unit
        if self.owner is not None:
            self._send(self.owner, number, unit)

    def hand_over(self, committer: Committer) -> None:
        """Let a committer of this process carry out all that waits, in order."""
        for unit in self._take_all():
            try:
                _accept(committer, unit)
            except (Overloaded, Unavailable) as error:
                self.admission.fail_units([unit], error)
            else:
                self.admission.release(len(unit.submissions))

    def fail_all(self, error_type: type[Unavailable]) -> None:
        """Fail every waiting submission with an error that says the outcome is unknown."""
        for unit in self._take_all():
            self.admission.fail_units([unit], error_type())

    def _take_all(self) -> list[UnitOfWork]:
        units = list(self._units.values())
        self._units.clear()
        return units

    def _send(self, owner: OwnerConnection, number: int, unit: UnitOfWork) -> None:
        try:
            messages = [command_message(number, submission) for submission in unit.submissions]
        except TypeError as error:
            _log.exception("a command on account %s could not be forwarded", ascii(unit.submissions[0].account_id))
            del self._units[number]
            self.admission.fail_units([unit], error)
            return
        if unit.atomic is not None:
            owner.send(together_message(number, len(messages)))
        for message in messages:
            owner.send(message)
        self._forwarded += len(messages)

    def take_count(self) -> int:
        """The number of commands that were sent since the last call."""
        count, self._forwarded = self._forwarded, 0
        return count

    # The owner -------------------------------------------------------------------------------------------------

    async def connect(self, group: Group, patience: float) -> bool:
        """Connect to the owner of the group and ask it for all that waits; False when it does not answer in time.

        Raises OSError when nobody listens.
        """
        owner = OwnerConnection(self._receive)
        await frames.connect(group.address, owner)
        owner.send(hello_message(self._name))
        try:
            async with asyncio.timeout(patience):
                await owner.ready.wait()
        except TimeoutError:
            owner.abort()
            return False
        if owner.closed.is_set():
            raise ConnectionResetError
        self.owner = owner
        self._missing = 0
        self._outcomes = []
        for number, unit in list(self._units.items()):
            self._send(owner, number, unit)
        return True

    async def stay(self, tick: float, most: int) -> bool:
        """Return when the connection to the owner is lost; True if it was left because nothing came in `most` ticks.

        Ticks are counted, and not time: a worker that was stopped itself must not take that for the owner's silence.
        """
        owner, ticks = self.owner, 0
        assert owner is not None
        while not owner.closed.is_set():
            heard = owner.heard
            owner.send(PING_MESSAGE)
            try:
                async with asyncio.timeout(tick):
                    await owner.closed.wait()
            except TimeoutError:
                ticks = ticks + 1 if owner.heard == heard else 0
            if ticks >= most:
                break
        self.leave()
        return ticks >= most

    def leave(self) -> None:
        """Leave the owner. What arrives from it later is not looked at."""
        owner, self.owner = self.owner, None
        if owner is None:
            return
        owner.abort()
        for number, unit in list(self._units.items()):
            if all(map(_may_be_asked_again, unit.submissions)):
                self._units[number] = _to_ask_again(unit)
            else:
                del self._units[number]
                self.admission.fail_units([unit], Unavailable())

    # Outcomes --------------------------------------------------------------------------------------------------

    def _receive(self, message: Message) -> None:
        if message[0] == TOGETHER:
            _, self._batch_number, self._missing = message
            return
        number = message[0]
        unit = self._units.get(number)
        if unit is None:
            raise ValueError(f"the owner answers {number}, which was not asked")
        if self._missing:
            self._gather(unit, message)
            return
        del self._units[number]
        outcome = read_outcome(unit.submissions[0].account_id, message)
        if isinstance(outcome, Recorded | Refusal):
            self.admission.answer(unit.submissions[0], outcome)
        else:
            self.admission.fail_units([unit], outcome)

    def _gather(self, unit: UnitOfWork, message: Message) -> None:
        submission = unit.submissions[len(self._outcomes)]
        self._outcomes.append(read_outcome(submission.account_id, message))
        self._missing -= 1
        if self._missing:
            return
        outcomes, self._outcomes = self._outcomes, []
        del self._units[self._batch_number]
        for one in outcomes:
            if not isinstance(one, Recorded | Refusal):
                self.admission.fail_units([unit], one)
                return
        self.admission.release(len(outcomes))
        if unit.atomic is not None and not unit.atomic.done():
            unit.atomic.set_result(cast("list[Outcome]", outcomes))


class AskedAgain(Generic[Value]):
    """Waits in place of whoever waits for a command that was asked before: it may have been carried out then."""

    __slots__ = ("_waiting",)

    def __init__(self, waiting: Waiting[Value]) -> None:
        self._waiting = waiting

    def done(self) -> bool:
        """Whether nothing is waited for any more."""
        return self._waiting.done()

    def set_result(self, value: Value) -> None:
        """Pass on what was waited for."""
        self._waiting.set_result(value)

    def set_exception(self, error: Exception) -> None:
        """Pass on an error. Overloaded says that nothing was carried out, which is not known here."""
        self._waiting.set_exception(Unavailable() if isinstance(error, Overloaded) else error)


def _to_ask_again(unit: UnitOfWork) -> UnitOfWork:
    if unit.atomic is not None:
        return unit if isinstance(unit.atomic, AskedAgain) else unit._replace(atomic=AskedAgain(unit.atomic))
    (submission,) = unit.submissions
    if submission.outcome is not None and not isinstance(submission.outcome, AskedAgain):
        submission.outcome = AskedAgain(submission.outcome)
    return unit


def _may_be_asked_again(submission: Submission) -> bool:
    """Whether it does no harm when a command is carried out that was carried out before."""
    return submission.receipt is not None or isinstance(submission.command, RecordExpiries)


def _accept(committer: Committer, unit: UnitOfWork) -> None:
    """Let a committer carry out a unit of work for whoever waits for it already. Raises Overloaded or Unavailable."""
    if unit.atomic is not None:
        committer.accept_together(unit.submissions, unit.atomic)
    elif (outcome := unit.submissions[0].outcome) is not None:
        committer.accept(unit.submissions[0], outcome)
