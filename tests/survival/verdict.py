"""The verdict: what was asked and answered, held against the log. Pure, and without a line of the ledger's own code."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import inf

from tests.survival.answering import answer_of, says
from tests.survival.asked import agrees
from tests.survival.attempts import Attempt, Command, Group
from tests.survival.figures import Figures
from tests.survival.follower import digest
from tests.survival.log import Row
from tests.survival.refolding import Book

SWEEPER = ("expire", {"CreditsExpired", "HoldExpired", "GrantStarted"})
"""What happens without a command: its operation, and the events that it may make."""
SECOND_HALVES = {"receive": {"transfer", "merge"}, "send_back": {"transfer_reversal"}}
"""What a move does to its other account, and the operations that were asked for."""


def judge(attempts: Sequence[Attempt], rows: Sequence[Row], seen: Sequence[tuple[int, bytes]] | None) -> Figures:
    """Everything that is not as it should be; `seen` is what a follower was told, None when nobody followed."""
    figures = Figures(requests=len(attempts), events=len(rows))
    figures.wrong += [*_holes(rows), *_refolded(rows)]
    if seen is not None:
        figures.wrong += _missed(rows, seen)
    recorded = _recorded(rows, figures)
    _Judgement(attempts, rows, recorded, figures).judge()
    return figures


# The log by itself ---------------------------------------------------------------------------------------------------


def _holes(rows: Sequence[Row]) -> Iterator[str]:
    for number, row in enumerate(rows, 1):
        if row.position != number:
            yield f"position {number} is missing: {row.name} stands at {row.position}"
            return


def _refolded(rows: Sequence[Row]) -> Iterator[str]:
    books: dict[str, Book] = {}
    for row in rows:
        books.setdefault(row.account, Book(row.account)).fold(row)
    for book in books.values():
        yield from [*book.complaints, *book.unfinished]
    payments = Counter(name for book in books.values() for name in book.payments)
    yield from (f"{count} accounts have the payment {name}" for name, count in payments.items() if count > 1)
    for name, book in books.items():
        for other, credits in book.exchanged.items():
            there = books[other].exchanged.get(name, 0) if other in books else 0
            if credits + there:
                yield f"{name} has exchanged {credits} with {other}, which says {there}"


def _missed(rows: Sequence[Row], seen: Sequence[tuple[int, bytes]]) -> Iterator[str]:
    told = dict(seen)
    if len(told) != len(seen) or list(told) != sorted(told):
        yield "the follower was told something twice, or not in order"
    for row in rows:
        if row.position not in told:
            yield f"the follower never saw {row.name} at position {row.position}"
        elif told.pop(row.position) != digest(row.event):
            yield f"the follower saw {row.name} with another content"
    yield from (f"the follower saw position {position}, which the log does not have" for position in told)


def _recorded(rows: Sequence[Row], figures: Figures) -> dict[Command, list[Row]]:
    """The events of each command, checked for being one run with its receipt at the end."""
    found: dict[Command, list[Row]] = defaultdict(list)
    for row in rows:
        operation, key = row.metadata["operation"], row.metadata["idempotency_key"]
        if key is not None:
            found[row.account, operation, key].append(row)
        elif operation != SWEEPER[0] or row.topic not in SWEEPER[1] or row.receipt is not None:
            figures.wrong.append(f"{row.name} comes from no command")
    for (account, operation, key), events in found.items():
        first, last = events[0], events[-1]
        if (
            len({row.metadata["request_id"] for row in events}) > 1
            or sum(row.receipt is not None for row in events) > 1
        ):
            figures.duplicated.append(f"{operation} {key} on {account} is recorded twice: {first.name} and {last.name}")
            continue
        if last.receipt != f"{operation}:{key}" or last.command_events != len(events) or last.fingerprint is None:
            figures.wrong.append(f"{last.name} lacks the receipt of {operation} {key}, or it is not right")
        if [row.version for row in events] != list(range(first.version, last.version + 1)):
            figures.wrong.append(f"the events of {operation} {key} on {account} are not one run")
    return dict(found)


# What was asked and answered -----------------------------------------------------------------------------------------


class _Judgement:
    """Attempts against what the log has of them."""

    def __init__(
        self, attempts: Sequence[Attempt], rows: Sequence[Row], recorded: dict[Command, list[Row]], figures: Figures
    ) -> None:
        self._figures = figures
        self._recorded = recorded
        self._at = {row.position: row for row in rows}
        self._request_ids = {row.metadata["request_id"] for row in rows}
        self._by_command: dict[Command, list[Attempt]] = defaultdict(list)
        for attempt in attempts:
            self._by_command[attempt.ask.command].append(attempt)
        self._known = _Known(attempts)
        self._closures = _Closures(rows)

    def judge(self) -> None:
        """Fill the figures."""
        for command, attempts in self._by_command.items():
            self._count(attempts)
            self._check_command(command, attempts, self._recorded.get(command, []))
        for command, events in self._recorded.items():
            if command not in self._by_command and not self._is_second_half(events):
                self._figures.wrong.append(f"{events[0].name} was asked by nobody: {command[1]} {command[2]}")
        self._check_atomic()

    def _is_second_half(self, events: list[Row]) -> bool:
        """Whether events are what a move did to its other account, right beside what it did to the first."""
        metadata = events[0].metadata
        first = {
            row.metadata["operation"]
            for row in (self._at.get(events[0].position - 1), self._at.get(events[-1].position + 1))
            if row is not None and row.metadata["request_id"] == metadata["request_id"]
        }
        return bool(first & SECOND_HALVES.get(metadata["operation"], set()))

    def _count(self, attempts: list[Attempt]) -> None:
        figures, outcomes = self._figures, {attempt.outcome for attempt in attempts}
        figures.commands += 1
        figures.acknowledged += "ok" in outcomes
        figures.refused += "ok" not in outcomes and "refused" in outcomes
        figures.unknown += "unknown" in outcomes
        figures.settled += "unknown" in outcomes and outcomes != {"unknown"}

    def _check_command(self, command: Command, attempts: list[Attempt], events: list[Row]) -> None:
        told = [attempt for attempt in attempts if attempt.outcome == "ok"]
        if told and not events:
            self._figures.lost.append(f"{_said(told[0])}, and the log does not have it")
            return
        if sum(attempt.status == 201 for attempt in told) > 1:
            self._figures.duplicated.append(f"{_said(told[0])}, and again as something new")
        wrong = self._figures.wrong
        wrong += [f"{_said(attempt)}: {why}" for attempt in attempts for why in self._objections(attempt, events)]
        if events and not any(agrees(attempt.ask, events) for attempt in attempts):
            wrong.append(f"{events[-1].name} is not what {command[1]} {command[2]} asked for: {attempts[0].ask.body}")

    def _objections(self, attempt: Attempt, events: list[Row]) -> Iterator[str]:
        if attempt.status == 500:
            yield f"something is wrong in the service: {attempt.answer}"
        if attempt.outcome == "ok":
            yield from _objections_to_yes(attempt, events)
        elif attempt.outcome == "refused":
            yield from self._objections_to_no(attempt, events)

    def _objections_to_no(self, attempt: Attempt, events: list[Row]) -> Iterator[str]:
        if attempt.request_id in self._request_ids:
            yield "it was refused and is in the log"
        code = _code_of_its_own(attempt)
        if not events:
            if code == "idempotency_key_reused":
                yield "nothing in the log has used the key"
            return
        if code in (None, "overloaded") or not agrees(attempt.ask, events):
            return
        if self._may_be_of_a_closed_account(attempt):
            return
        if self._known.before(attempt.sent_at) >= events[-1].position:
            yield f"it was refused when {events[-1].name} had long been recorded under this key"

    def _may_be_of_a_closed_account(self, attempt: Attempt) -> bool:
        """Whether it asks again to open an account that may have been closed then: that is no replay."""
        ask = attempt.ask
        refused = ask.operation == "open" and attempt.code == "account_closed"
        return refused and self._closures.possible(ask.account, after=self._known.before(attempt.sent_at))

    def _check_atomic(self) -> None:
        groups: dict[Group, list[bool]] = defaultdict(list)
        for command, attempts in self._by_command.items():
            # What was asked elsewhere too tells nothing.
            together = {attempt.together for attempt in attempts}
            if len(together) == 1 and (group := together.pop()) is not None:
                groups[group].append(command in self._recorded)
        for group, done in groups.items():
            if any(done) and not all(done):
                asks = ", ".join(f"{ask.operation} {ask.key}" for ask in group.asks)
                self._figures.wrong.append(f"of an atomic batch {done.count(True)} were carried out: {asks}")


def _objections_to_yes(attempt: Attempt, events: list[Row]) -> Iterator[str]:
    difference = says(attempt.answer, answer_of(events))
    if difference is not None:
        yield difference
    mine = events[-1].metadata["request_id"] == attempt.request_id
    if mine != (attempt.status == 201):
        yield f"the log has it from request {events[-1].metadata['request_id']}, and this was {attempt.request_id}"


def _code_of_its_own(attempt: Attempt) -> str | None:
    """Why an ask was refused; None when its atomic batch was, because of another ask: that tells nothing of this one,
    which may have been carried out elsewhere."""
    if attempt.together is None or attempt.code != "batch_refused":
        return attempt.code
    is_cause = attempt.together.asks[attempt.answer["index"]] is attempt.ask
    return str(attempt.answer["cause"]["code"]) if is_cause else None


def _said(attempt: Attempt) -> str:
    ask = attempt.ask
    what = f"{ask.operation} {ask.key} on {ask.account}"
    if attempt.outcome == "ok":
        return f"{what} was answered {attempt.status} at version {attempt.answer.get('version')}"
    return f"{what} was answered {attempt.status} {attempt.code}".rstrip()


class _Closures:
    """From where to where in the log each account is closed."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._ends: dict[str, float] = {}
        for row in rows:
            if row.topic == "AccountClosed":
                self._ends[row.account] = inf
            elif row.topic == "AccountReopened" and self._ends.get(row.account) == inf:
                self._ends[row.account] = row.position

    def possible(self, account: str, *, after: int) -> bool:
        """Whether an account is closed at any position from `after` on."""
        return self._ends.get(account, 0) > after


class _Known:
    """How far the log is known to have reached at a moment, from the answers that had come by then."""

    def __init__(self, attempts: Iterable[Attempt]) -> None:
        answers = sorted((each.answered_at, int(each.answer["position"])) for each in attempts if each.outcome == "ok")
        self._times = [at for at, _ in answers]
        self._positions: list[int] = []
        for _, position in answers:
            self._positions.append(max(position, self._positions[-1] if self._positions else 0))

    def before(self, at: float) -> int:
        """The highest position that had been answered before a moment."""
        index = bisect_left(self._times, at)
        return self._positions[index - 1] if index else 0
