"""Whether a run was right, from what clients were told and what the log has; no word of the committer is taken for it.

The log is read once from its beginning. Every command in it is asked of the plain model of tests/domain, which shares
no code with the ledger's rules. A refusal has no place in the log, so it must have been right at one moment between
its question and its answer: at a state that the account had then, at a time that the clock of its process read then.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from ledger.commit.submission import Outcome, Recorded
from ledger.domain import commands as c
from ledger.domain.account import Account, evolve
from ledger.domain.commands import RecordPayment
from ledger.domain.decisions.moving import received_by
from ledger.domain.errors import (
    AccountClosed,
    AccountExists,
    BatchRefused,
    KeyReused,
    LimitReached,
    Refusal,
    VersionMismatch,
)
from ledger.domain.events import (
    CreditsSent,
    Event,
    Granted,
    TextsErased,
)
from ledger.domain.texts import SEALED
from ledger.store.records.chain import GENESIS, link
from ledger.store.records.codec import decode, encode_snapshot
from ledger.store.records.receipts import BODY_FIELDS, fingerprint
from ledger.store.records.sealing import unmasked, unseal
from ledger.store.snapshots import digest_in, state_digest
from ledger.store.stream_heads import StreamHead
from tests.domain.answers import balance_of, is_of_time, what_events_did, what_time_did
from tests.domain.counting_model import Refused
from tests.domain.model import Answer, Model
from tests.simulation.asking import KEYLESS, Ask
from tests.simulation.run import DAY_ZERO, Request, Run, Wrong
from tests.simulation.tables import Stored

TEXTS = ("description", "reason")


class Carried:
    """One command as the log has it."""

    def __init__(self, request: Request, index: int) -> None:
        self.request = request
        self.index = index
        self.rows: list[Stored] = []
        self.events: list[Event] = []

    @property
    def ask(self) -> Ask:
        """What was asked for."""
        return self.request.asks[self.index]

    @property
    def last(self) -> Stored:
        """The row with the receipt."""
        return self.rows[-1]

    @property
    def texts(self) -> list[str]:
        """The texts in its events, as they are stored; a reason that the ledger gave itself is none."""
        found = [getattr(event, name, None) for event in self.events for name in TEXTS]
        return [text for text in found if text is not None and text.startswith(SEALED)]

    def __repr__(self) -> str:
        first, last = self.rows[0].position, self.last.position
        return f"command {self.index} of {self.request}, which is at positions {first} to {last},"


class Doubt:
    """An answer that the log cannot confirm by itself: a refusal, an expiry check that came to nothing, or an opening
    that was answered again, which is right while the account is not closed."""

    __slots__ = ("accounts", "fresh", "index", "outcome", "readings", "request")

    def __init__(self, request: Request, index: int, outcome: Outcome) -> None:
        self.request = request
        self.index = index
        self.outcome = outcome
        self.accounts = {ask.account for ask in request.asks} if request.atomic else {request.asks[index].account}
        self.readings = readings(request) or [DAY_ZERO]  # a clock that nobody read does not matter
        self.fresh = True
        """Whether its accounts have a state at which it was not judged yet."""

    def __repr__(self) -> str:
        return f"{self.request} was told {self.outcome!r}"


class Check:
    """Goes through the log of a run once. `check` raises Wrong with the first thing that must not be."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.models = {account: Model() for account in run.plan.accounts}
        self.states: dict[str, list[Account | None]] = {account: [None] for account in run.plan.accounts}
        self.made: dict[str, dict[str, Granted]] = {account: {} for account in run.plan.accounts}
        """The grants of each account so far."""
        self.hashes = {account: [GENESIS] for account in run.plan.accounts}
        self.erased_at: dict[str, list[int]] = {account: [] for account in run.plan.accounts}
        """The positions at which the texts of each account were erased."""
        self.log = carried_out(run)
        for carried in self.log:
            if carried.ask.operation == "erase":
                self.erased_at[carried.ask.account].append(carried.last.position)
        self.by_last = {carried.last.position: carried for carried in self.log}
        self.by_request = {(carried.request.number, carried.index): carried for carried in self.log}
        self.by_receipt = {carried.ask.receipt: carried for carried in self.log if carried.ask.receipt}
        self.doubts: list[Doubt] = []

    def check(self) -> None:
        """Everything."""
        for request in self.run.requests:
            self._check_answer(request)
        self._check_late_effects()
        for carried in self.log:
            self._judge(carried.last.position)
            self._check_command(carried)
        self._judge(2**62)
        self._check_memory()
        if len(self.run.processes) == 1:
            self._check_alone()
            if self.run.plan.calm:
                self._check_order()

    # Answers -------------------------------------------------------------------------------------------------------

    def _check_answer(self, request: Request) -> None:
        if request.answer is None:
            if request.error == "overloaded":
                self._check_absent(request)
            return
        if len(request.answer) != len(request.asks):
            raise Wrong(f"{request} has {len(request.answer)} answers")
        if any(isinstance(outcome, Refusal) for outcome in request.answer):
            self._check_absent(request)
        elif request.atomic:
            self._check_together(request)
        for index, outcome in enumerate(request.answer):
            if isinstance(outcome, BatchRefused):
                if index == 0:
                    self.doubts.append(Doubt(request, outcome.index, outcome))
            elif isinstance(outcome, Refusal):
                self._check_refusal(request, index, outcome)
            else:
                self._check_recorded(request, index, outcome)

    def _check_absent(self, request: Request) -> None:
        for index in range(len(request.asks)):
            carried = self.by_request.get((request.number, index))
            if carried is not None:
                raise Wrong(f"{carried} was answered with {request.error or request.answer}")

    def _check_together(self, request: Request) -> None:
        fresh = [c for index in range(len(request.asks)) if (c := self.by_request.get((request.number, index)))]
        at = {self.run.server.committed_at[row.position - 1] for carried in fresh for row in carried.rows}
        positions = [row.position for carried in fresh for row in carried.rows]
        if len(at) > 1 or positions != list(range(positions[0], positions[0] + len(positions)) if positions else []):
            raise Wrong(f"{request} is atomic and was not carried out at once: positions {positions} at {at}")

    def _check_recorded(self, request: Request, index: int, outcome: Recorded) -> None:
        ask = request.asks[index]
        if not outcome.events:
            if isinstance(ask.command, c.ReceiveCredits) and self._sent_nothing(request):
                return
            if ask.operation != "expire":
                raise Wrong(f"{request} was told that nothing happened: {outcome}")
            self.doubts.append(Doubt(request, index, outcome))
            return
        carried = self.by_last.get(outcome.position)
        if carried is None or outcome.position > request.known_after:
            raise Wrong(f"{request} was told {outcome}, and the log does not have that")
        told = (outcome.account_id, outcome.version, list(outcome.events))
        if told != (carried.last.account, carried.last.version, carried.events):
            raise Wrong(f"{request} was told {told}, and the log has {carried.events} for {carried}")
        mine = (carried.request.number, carried.index) == (request.number, index)
        if mine == outcome.replayed:
            raise Wrong(f"{request} was told {outcome} of {carried}: that is wrong about who was first")
        if carried.ask.receipt != ask.receipt or (
            carried.ask.body != ask.body and not self._is_forgotten(carried, request.known_after)
        ):
            raise Wrong(f"{request} asked for {ask} and was told of {carried.ask}")
        if mine and carried.rows[0].position <= request.known_before:
            raise Wrong(f"{carried} was committed before it was asked for")
        if ask.operation == "open" and outcome.replayed:
            self.doubts.append(Doubt(request, index, outcome))

    def _sent_nothing(self, request: Request) -> bool:
        """Whether the first half of a move was carried out, by this request or before, and sent nothing."""
        carried = self.by_receipt.get(request.asks[0].receipt or ("", ""))
        return carried is not None and not any(isinstance(event, CreditsSent) for event in carried.events)

    def _completed(self, carried: Carried) -> c.Command:
        """Its command; that of the second half of a move with what the first half sent, just before it in the log."""
        command = carried.ask.command
        if not isinstance(command, c.ReceiveCredits):
            return command
        first = self.by_request.get((carried.request.number, carried.index - 1))
        sent = [event for event in first.events if isinstance(event, CreditsSent)] if first else []
        if first is None or not sent or first.rows[0].position > carried.rows[0].position:
            raise Wrong(f"{carried} receives what nobody has sent")
        return received_by(command, sent, self.made[command.from_account_id])

    def _is_forgotten(self, carried: Carried, upto: int) -> bool:
        """Whether nobody can tell any more what a command said: it had texts, and they were erased."""
        erased = any(carried.last.position < at <= upto for at in self.erased_at[carried.ask.account])
        return erased and bool(carried.texts)

    def _check_refusal(self, request: Request, index: int, outcome: Refusal) -> None:
        ask = request.asks[index]
        before = self.by_receipt.get(ask.receipt) if ask.receipt else None
        if isinstance(outcome, KeyReused | AccountExists):
            if before is None or before.last.position > request.known_after:
                raise Wrong(f"{request} was told {outcome!r}, and the key was not used")
            if not is_reuse(outcome, ask, before.ask, before.last.version):
                raise Wrong(
                    f"{request} for {ask} was told {outcome!r} {outcome.facts}, and {before} asked {before.ask}"
                )
        elif isinstance(outcome, AccountClosed) and ask.operation == "open":
            self.doubts.append(Doubt(request, index, outcome))
        elif before is not None and before.last.position <= request.known_before:
            raise Wrong(f"{request} was told {outcome!r}, and its key had been used by {before}")
        else:
            self.doubts.append(Doubt(request, index, outcome))

    def _check_late_effects(self) -> None:
        """What a process has given up must not happen after the process has refused the same command.

        A process that was killed cannot prevent that, and neither can another process: both are left out.
        """
        given_up: dict[tuple[str, str, str], list[Carried]] = {}
        for carried in self.log:
            request, receipt = carried.request, carried.ask.receipt
            if request.error == "unavailable" and receipt is not None:
                given_up.setdefault((request.process.name, *receipt), []).append(carried)
        for request in self.run.requests:
            for ask, outcome in zip(request.asks, request.answer or (), strict=False):
                if not isinstance(outcome, Refusal) or ask.receipt is None:
                    continue
                for carried in given_up.get((request.process.name, *ask.receipt), ()):
                    if carried.request.answered_at <= request.asked_at and carried.last.position > request.known_after:
                        raise Wrong(f"{carried} was given up and came true after {request} was told {outcome!r}")

    # The log -------------------------------------------------------------------------------------------------------

    def _check_command(self, carried: Carried) -> None:
        ask, first, last = carried.ask, carried.rows[0], carried.last
        model, states = self.models[ask.account], self.states[ask.account]
        if first.version != len(states):
            raise Wrong(f"{carried} begins with version {first.version} after {len(states) - 1} events")
        if ask.expected_version not in {None, first.version - 1}:
            raise Wrong(f"{carried} expected version {ask.expected_version} and has {first.version}")
        expected = (None, None) if ask.receipt is None else (ask.receipt[1], len(carried.rows))
        if (last.receipt, last.command_events) != expected or any(row.receipt for row in carried.rows[:-1]):
            raise Wrong(f"{carried} has the receipt {last.receipt!r} in place of {expected}")
        self._check_chain(carried)
        self._check_texts(carried)
        self._check_time(carried)
        now = carried.events[-1].recorded_at
        try:
            told = model._carry_out(self._completed(carried), now)
        except Refused as refused:
            raise Wrong(f"{carried} must be refused: {refused.code} {refused.facts}") from refused
        told.pop("updated", None)  # texts are sealed here; `_check_texts` reads them
        if told != (done := answer_of(carried)):
            raise Wrong(f"{carried} must lead to {told}, and led to {done}")
        self.made[ask.account] |= {event.grant_id: event for event in carried.events if isinstance(event, Granted)}
        for event in carried.events:
            states.append(evolve(states[-1], event))
        if isinstance(ask.command, RecordPayment):
            claim(self.models, ask.command)
        for doubt in self.doubts:
            doubt.fresh = doubt.fresh or ask.account in doubt.accounts or isinstance(ask.command, RecordPayment)

    def _check_chain(self, carried: Carried) -> None:
        hashes = self.hashes[carried.ask.account]
        for row in carried.rows:
            hashes.append(link(hashes[-1], *row[1:9]))
            if row.hash != hashes[-1]:
                raise Wrong(f"{carried} breaks the chain of its account at version {row.version}")

    def _check_texts(self, carried: Carried) -> None:
        """Texts and fingerprint are what was asked for, as long as there is a key to read them with, and only then."""
        ask, last = carried.ask, carried.last
        key = self.run.server.tables.text_keys.get(ask.account)
        gone = self._is_forgotten(carried, last.position + len(self.run.server.tables.log))
        read = [unseal(key, ask.account, text) for text in carried.texts]
        if read != [None if gone else text for text in said(ask)]:
            raise Wrong(f"{carried} has the texts {read} in place of {said(ask)}")
        if ask.receipt is not None:
            assert last.fingerprint is not None
            if unmasked(last.fingerprint, key, ask.receipt[1]) != (None if gone else fingerprint(ask.body)):
                raise Wrong(f"{carried} has a fingerprint of something else")

    def _check_time(self, carried: Carried) -> None:
        before = self.states[carried.ask.account][-1]
        at = {event.recorded_at for event in carried.events}
        others = {states[-1].recorded_at for states in self._states_of_move(carried.request) if states[-1] is not None}
        if at != {before and before.recorded_at} and not at <= {*readings(carried.request), *others}:
            raise Wrong(f"{carried} is of {at}, which its clock did not read while it was asked for")

    def _states_of_move(self, request: Request) -> list[list[Account | None]]:
        """The states of both accounts of a move, which have one time; nothing for other requests."""
        if not isinstance(request.asks[-1].command, c.SECOND_HALVES):
            return []
        return [self.states[ask.account] for ask in request.asks]

    # Doubts --------------------------------------------------------------------------------------------------------

    def _judge(self, next_position: int) -> None:
        """Judge what can be judged before the log goes on to `next_position`, and find what never was right."""
        left = []
        for doubt in self.doubts:
            if doubt.fresh and doubt.request.known_before < next_position:
                doubt.fresh = False
                if self._is_right(doubt):
                    continue
            if doubt.request.known_after < next_position:
                raise Wrong(f"{doubt}, which was right at no moment between {doubt.request.asked_at} and its answer")
            left.append(doubt)
        self.doubts = left

    def _is_right(self, doubt: Doubt) -> bool:
        outcome, request = doubt.outcome, doubt.request
        if isinstance(outcome, BatchRefused):
            models = [self.models[account] for account in sorted(doubt.accounts)]
            opens = outcome.cause.code == LimitReached.code  # it tells the end of a window that the batch may open
            moments = doubt.readings if opens else telling(doubt.readings, models, request.asks)
            return any(self._is_batch_refused(request, outcome, now) for now in moments)
        ask = request.asks[doubt.index]
        model = self.models[ask.account]
        if isinstance(outcome, Recorded) and outcome.events:  # an opening that was answered again
            return model.standing != "closed"
        if isinstance(outcome, Recorded):
            told = (tell(model, ask, now) for now in telling(doubt.readings, [model], [ask]))
            return outcome.version == model.version and any(
                not isinstance(t, Refused) and not t["passed"] for t in told
            )
        return any(is_same(tell(model, ask, now), outcome) for now in telling(doubt.readings, [model], [ask]))

    def _is_batch_refused(self, request: Request, outcome: BatchRefused, now: datetime) -> bool:
        models = {ask.account: self.models[ask.account]._copy() for ask in request.asks[: outcome.index + 1]}
        leaders: dict[tuple[str, str], tuple[Ask, int]] = {}
        told: Answer | Refused = {}
        if isinstance(request.asks[-1].command, c.SECOND_HALVES):
            moments = [self.models[ask.account].recorded_at for ask in request.asks]
            now = max([now, *(moment for moment in moments if moment is not None)])
        for index, ask in enumerate(request.asks[: outcome.index + 1]):
            model = models[ask.account]
            before = self._before(ask, leaders)
            if before is not None and not (ask.operation == "open" and model.standing == "closed"):
                other = before[0].body != ask.body
                if other and index == outcome.index and is_reuse(outcome.cause, ask, *before):
                    return True
                if other and not self._is_forgotten_by(before[0], request):
                    return False  # if it is forgotten, that may have come before or after this
                continue
            second = isinstance(ask.command, c.ReceiveCredits)
            told = tell(model, ask._replace(command=with_told(ask.command, told, models)) if second else ask, now)
            if isinstance(told, Refused):
                return index == outcome.index and is_same(told, outcome.cause)
            model._carry_out(ask.command, now)
            if isinstance(ask.command, RecordPayment):
                claim(models, ask.command)
            if ask.receipt is not None:
                leaders[ask.receipt] = ask, model.version
        return False

    def _is_forgotten_by(self, before: Ask, request: Request) -> bool:
        assert before.receipt is not None
        carried = self.by_receipt.get(before.receipt)
        return carried is not None and self._is_forgotten(carried, request.known_after)

    def _before(self, ask: Ask, leaders: dict[tuple[str, str], tuple[Ask, int]]) -> tuple[Ask, int] | None:
        """Who used the key of an ask, at this place of the log or earlier in the same batch, and at which version."""
        if ask.receipt is None:
            return None
        carried = self.by_receipt.get(ask.receipt)
        if carried is not None and carried.last.version < len(self.states[ask.account]):
            return carried.ask, carried.last.version
        return leaders.get(ask.receipt)

    # What need not be, but is promised ------------------------------------------------------------------------------

    def _check_alone(self) -> None:
        """A process that is alone never builds on what is not there: the log would mend it, at the cost of time. Only
        when it has given up what it does not know the outcome of has it to find out in this way."""
        if any(what[0] == "logs:" and "units could not" in what[1] for _, _, *what in self.run.trace):
            return
        if any(request.error in {"unavailable", "nobody waits any more"} for request in self.run.requests):
            return
        for at, who, *what in self.run.trace:
            if what[0] == "appends" and what[2].stale:
                raise Wrong(f"{who} found {what[2].stale} changed at {at}, and nobody else writes")
        for account, head in self.run.processes[0].ledger.cache._accounts.items():
            if self.run.plan.calm and head.account.version != len(self.states[account]) - 1:
                raise Wrong(f"{account!r} is remembered at version {head.account.version}, and nobody else writes")

    def _check_order(self) -> None:
        """Commands of one account are decided in the order in which they came, unless one of them comes to be a replay:
        then what was decided on top of it is decided again, and what had left for the slow lane is not called back."""
        if any(what[0] == "appends" and what[2].used for _, _, *what in self.run.trace):
            return
        asked = Counter(ask.receipt for request in self.run.requests for ask in request.asks)
        last: dict[str, Carried] = {}
        for carried in self.log:
            if carried.ask.receipt is not None and asked[carried.ask.receipt] == 1:
                before = last.get(carried.ask.account)
                if before is not None and before.request.number > carried.request.number:
                    raise Wrong(f"{before} came before {carried}, which was asked for first")
                last[carried.ask.account] = carried

    # Memory --------------------------------------------------------------------------------------------------------

    def _check_memory(self) -> None:
        for account, kept in self.run.server.tables.snapshots.items():
            for version, snapshot in kept.items():
                state = self.states[account][version] if version < len(self.states[account]) else None
                wrong = state is None or snapshot.state != encode_snapshot(state)
                if wrong or snapshot.hash != self.hashes[account][version]:
                    raise Wrong(f"the snapshot of {account!r} at version {version} is not what the log says")
        for process in self.run.processes:
            if process.ledger.waiting:
                raise Wrong(f"{process.name} still counts {process.ledger.waiting} who wait")
            for account, head in process.ledger.cache._accounts.items():
                self._check_tip(process.name, account, head)
            if not process.ledger.owns:
                continue
            committer = process.ledger.committer
            left = [batch for batch in committer._batches if batch.submissions]
            if (
                any(queue.waiting or queue.in_batches for queue in committer._queues)
                or left
                or len(committer._locked_lane)
            ):
                raise Wrong(f"{process.name} has something in flight at the end")

    def _check_tip(self, name: str, account: str, head: StreamHead) -> None:
        """What is remembered may be old; it must have been so once."""
        states, version = self.states[account], head.account.version
        if version >= len(states) or head.account != states[version] or head.hash != self.hashes[account][version]:
            raise Wrong(f"{name} remembers {head}, and the log says otherwise")
        if head.proven:
            event, state = self.run.server.tables.streams[account][head.proven - 1], states[head.proven]
            if state is None or digest_in(event.state) != state_digest(encode_snapshot(state)):
                raise Wrong(f"{name} takes version {head.proven} of {account!r} for proven")
        key = self.run.server.tables.text_keys.get(account)
        if version == len(states) - 1 and head.key != key:
            raise Wrong(f"{name} remembers {head}, and the key of its texts is {key!r}")


def carried_out(run: Run) -> list[Carried]:
    """The commands of the log, in order. Raises Wrong when its rows do not fall into commands."""
    found: list[Carried] = []
    seen: set[str] = set()
    last_id = ""
    for position, row in enumerate(run.server.tables.log, 1):
        event, metadata = decode(row.topic, row.state)
        if row.position != position:
            raise Wrong(f"position {row.position} follows {position - 1}")
        again = metadata.operation in KEYLESS and found and is_over(found[-1], event)
        if metadata.request_id != last_id or again:
            if metadata.request_id in seen and metadata.operation not in KEYLESS:
                raise Wrong(f"{metadata.request_id} is in the log twice, again at position {position}")
            last_id = metadata.request_id
            seen.add(last_id)
            number, index = map(int, last_id.split("."))
            found.append(Carried(run.requests[number], index))
        carried = found[-1]
        if row.account != carried.ask.account or metadata[1:3] != (carried.ask.operation, carried.ask.key):
            raise Wrong(f"position {position} is of {row.account!r} with {metadata}, and {carried.ask} was asked for")
        carried.rows.append(row)
        carried.events.append(event)
    receipts = [carried.ask.receipt for carried in found if carried.ask.receipt is not None]
    if len(set(receipts)) < len(receipts):
        raise Wrong(f"a key was used twice: {sorted(receipts)}")
    return found


def is_over(carried: Carried, event: Event) -> bool:
    """Whether an event belongs to the next time that a command without a key was carried out."""
    last = carried.events[-1]
    return isinstance(last, TextsErased) or last.recorded_at != event.recorded_at


def said(ask: Ask) -> list[str]:
    """The texts of an ask."""
    return [text for name in TEXTS if (text := getattr(ask.command, name, None)) is not None]


def readings(request: Request) -> list[datetime]:
    """What the clocks by which it may have been decided read while a request was under way, the last first; to the end
    of the run where the client has not seen the end of it."""
    found = []
    for process in request.process.deciders:
        first = bisect_left(process.readings, request.asked_at, key=lambda reading: reading[0])
        last = len(process.readings)
        if request.answer is not None:
            last = bisect_right(process.readings, request.answered_at, key=lambda reading: reading[0])
        found += [now for _, now in reversed(process.readings[first:last])]
    return found


def telling(moments: list[datetime], models: list[Model], asks: Iterable[Ask]) -> Iterator[datetime]:
    """Those moments that can make a difference: of several between which nothing ends, and that none of the `asks`
    names, the first one."""
    ends: list[datetime | None] = [at for ask in asks for at in moments_in(ask.command)]
    ends += [grant.expires_at for model in models for grant in model.grants.values()]
    ends += [grant.effective_at for model in models for grant in model.grants.values()]
    ends += [hold.expires_at for model in models for hold in model.holds.values()]
    ends += [move.until for model in models for limit in model.counting.limits for move in limit.moves]
    seen: set[int] = set()
    for moment in moments:
        over = sum(end is not None and end <= moment for end in ends)
        if over not in seen:
            seen.add(over)
            yield moment


def moments_in(command: c.Command) -> Iterator[datetime]:
    """The moments that a command names, and that its grants name."""
    for part in (command, *getattr(command, "grants", ())):
        for name in ("effective_at", "expires_at", "occurred_at"):
            moment = getattr(part, name, None)
            if isinstance(moment, datetime):
                yield moment


def claim(models: Mapping[str, Model], command: RecordPayment) -> None:
    """Let all other accounts know that a payment is recorded."""
    for account, model in models.items():
        if account != command.account_id:
            model.elsewhere.add((command.provider, command.payment_id))


def tell(model: Model, ask: Ask, now: datetime) -> Answer | Refused:
    """What the model answers, without carrying it out."""
    version = model.version if model.exists else 0
    found = model.exists or ask.operation == "open"
    reopens = ask.operation == "open" and model.standing == "closed"  # its key was used: that is looked at first
    if ask.expected_version is not None and found and not reopens and version != ask.expected_version:
        return Refused(VersionMismatch.code, expected=ask.expected_version, actual=version)
    copied = model._copy()
    try:
        return copied._carry_out(ask.command, now)
    except Refused as refused:
        return refused


def with_told(command: c.Command, told: Answer | Refused, models: dict[str, Model]) -> c.Command:
    """The second half of a move with what the models say that the first half sends."""
    if isinstance(told, Refused) or not isinstance(command, c.ReceiveCredits) or command.from_account_id not in models:
        return command
    grants, name = models[command.from_account_id].grants, command.from_account_id
    lots = tuple(
        c.MovedLot(grant_id, kind, amount, grants[grant_id].expires_at, "topup", DAY_ZERO, name, grant_id)
        for grant_id, kind, amount in told.get("draws", ())
    )
    return replace(command, transfer_id=told.get("transfer_id", ""), lots=lots)


def is_same(told: Answer | Refused, refusal: Refusal) -> bool:
    """Whether the model refuses too, for the same reason and with the same numbers."""
    if not isinstance(told, Refused) or told.code != refusal.code:
        return False
    found = {name: refusal.facts.get(name) for name in told.facts}
    return found == told.facts or _in_json(found) == _in_json(told.facts)  # a refusal that was forwarded has texts


def _in_json(facts: Mapping[str, object]) -> bytes:
    return orjson.dumps(facts, option=orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS)


def is_reuse(refusal: Refusal, ask: Ask, before: Ask, version: int) -> bool:
    """Whether a refusal is what an ask must be told whose key was used by another one."""
    mine, its = (dict(enumerate(body)) for body in (ask.body, before.body))
    names = enumerate(BODY_FIELDS[ask.operation])
    fields = [name for index, name in names if mine.get(index) != its.get(index)]
    if ask.operation == "open" and (ask.key == ask.account or ask.key != before.key):
        return isinstance(refusal, AccountExists) and refusal.facts["fields"] == fields
    expected = {"idempotency_key": ask.key, "version": version, "fields": fields}
    return ask.body != before.body and isinstance(refusal, KeyReused) and refusal.facts == expected


def answer_of(carried: Carried) -> dict[str, Any]:
    """What a command led to, in the words of the model."""
    passed = [event for event in carried.events if is_of_time(event)]
    answer: dict[str, Any] = {"passed": sorted((what_time_did(event) for event in passed), key=repr)}
    answer |= what_events_did(tuple(carried.events[len(passed) :]))
    answer.pop("updated", None)
    last = carried.events[-1]
    return {
        **answer,
        "version": carried.last.version,
        "recorded_at": last.recorded_at,
        "balance": balance_of(last.balance),
    }
