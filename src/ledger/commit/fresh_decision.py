"""Decisions on the state in the log, rather than on the state in memory.

This is the slow lane's way to decide: it reads receipts, states and related events, then decides all submissions in
order. Under the append lock the outcomes are final; without the lock they are those of a dry run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from ledger.commit.related_index import RelatedIndex
from ledger.commit.submission import Outcome, Recorded, Submission, UnitOfWork
from ledger.domain.account import Account, fold
from ledger.domain.commands import SECOND_HALVES, Command, OpenAccount, ReceiveCredits, RecordExpiries
from ledger.domain.decisions.decider import decide
from ledger.domain.decisions.expiry import has_many_due, next_expiry
from ledger.domain.decisions.moving import received_by
from ledger.domain.errors import AccountClosed, BatchRefused, Refusal, VersionMismatch
from ledger.domain.events import CreditsSent, Event, Granted
from ledger.slices import Slices
from ledger.store.payment_claims import PaymentClaims
from ledger.store.reader import Executed, Reader
from ledger.store.records.codec import Metadata
from ledger.store.records.sealing import sealed_command
from ledger.store.stream_heads import StreamHead, account_of, key_after, key_of

Key = tuple[str, str]

_AT_ONCE = 250
"""The largest number of expiries that are recorded together."""


class FreshDecision:
    """Reads what some submissions need and decides them. Each then has events to append, or an outcome in `answers`."""

    def __init__(
        self,
        reader: Reader,
        heads: dict[str, StreamHead | None],
        executed: dict[Key, Executed],
        related: dict[str, RelatedIndex],
        claims: PaymentClaims,
        clock: Callable[[], datetime],
    ) -> None:
        self.heads = heads
        """Where the stream of each account ends in the log."""
        self.answers: dict[Submission, Outcome] = {}
        self.follows: dict[Submission, Submission] = {}
        """Each submission that repeats an earlier one of the same decision, with that earlier one."""
        self.decided: list[Submission] = []
        """The submissions that have events to append, in order."""
        self.positions: dict[Submission, int] = {}
        """The position of the last event of each submission that was appended."""
        self._reader = reader
        self._completed: dict[Submission, Command] = {}
        """The commands of second halves of moves, with what the first halves sent."""
        self._accounts = {name: account_of(head) for name, head in heads.items()}
        self._keys = {name: key_of(head) for name, head in heads.items()}
        self._executed = executed
        self._related = related
        self._claims = claims
        self._leaders: dict[Key, Submission] = {}
        self._clock = clock

    @classmethod
    async def prepare(
        cls,
        reader: Reader,
        submissions: Sequence[Submission],
        known: Mapping[str, StreamHead | None],
        clock: Callable[[], datetime],
    ) -> "FreshDecision":
        """Read all that is needed to decide `submissions`, starting from the `known` heads of their accounts.

        Raises UnreadableEvent.
        """
        keys = [(one.account_id, name) for one in submissions for name in one.receipts]
        executed = await reader.executed(keys) if keys else {}
        loaded = await reader.load(known)
        for one in loaded.values():
            if one.problem is not None:
                raise one.problem
        heads = {name: item.head for name, item in loaded.items()}
        claims = await PaymentClaims.read(reader, [one.command for one in submissions])
        return cls(reader, heads, executed, await _read_related(reader, submissions, heads), claims, clock)

    async def decide_units(self, units: Iterable[UnitOfWork]) -> None:
        """Decide units in order, in slices between which other tasks run."""
        work = Slices()
        for unit in units:
            if unit.atomic is None:
                await self._decide(unit.submissions[0], work, self._clock)
            else:
                await self._decide_together(unit.submissions, work)
            if work.over:
                await work.pause()

    async def _decide_together(self, submissions: Sequence[Submission], work: Slices) -> None:
        """Decide all submissions of an atomic batch; one refusal refuses the whole batch."""
        before = dict(self._accounts), dict(self._keys), dict(self._leaders), dict(self.follows)
        claims = self._claims.copy()
        count = len(self.decided)
        clock = self._clock_of(submissions)
        for index, submission in enumerate(submissions):
            if isinstance(submission.command, ReceiveCredits):
                await self._complete(submission, submission.command, submissions[index - 1])
            if submission not in self.answers:
                await self._decide(submission, work, clock)
            answer = self.answers.get(submission)
            if isinstance(answer, Refusal):
                self._accounts, self._keys, self._leaders, self.follows = before
                self._claims = claims
                for decided in self.decided[count:]:
                    for version, event in decided.numbered_events():
                        self._index(decided.account_id).remove(version, event)
                del self.decided[count:]
                self.answers |= dict.fromkeys(submissions, BatchRefused(index, answer))
                return
            if work.over:
                await work.pause()

    def _clock_of(self, submissions: Sequence[Submission]) -> Callable[[], datetime]:
        """The clock by which a batch is decided. Both halves of a move have one time: what has not lapsed where it
        leaves has not lapsed where it arrives."""
        if not submissions or not isinstance(submissions[-1].command, SECOND_HALVES):
            return self._clock
        accounts = [self._accounts[one.account_id] for one in submissions]
        moment = max([self._clock(), *(account.recorded_at for account in accounts if account is not None)])
        return lambda: moment

    async def _complete(self, second: Submission, command: ReceiveCredits, first: Submission) -> None:
        """Fill in what the first half of a move sent. If that half was carried out before, so was this one."""
        name = second.account_id, second.receipt or ""
        if first in self.answers or first in self.follows:
            if name not in self._executed and name not in self._leaders:  # there was nothing to receive
                self.answers[second] = Recorded(second.account_id, 0, 0, (), True)
            return
        sent = [event for event in first.events if isinstance(event, CreditsSent)]
        if sent:
            names = frozenset(part.grant_id for one in sent for part in one.draws)
            self._completed[second] = received_by(command, sent, await self._grants(first.account_id, names))

    async def _grants(self, account_id: str, names: frozenset[str]) -> dict[str, Granted]:
        """The events that made some grants, from the log and from what is decided here."""
        known = (await self._reader.related_events({account_id: names}))[account_id]
        events = (*known.values(), *self._index(account_id).about(names).events)
        return {event.grant_id: event for event in events if isinstance(event, Granted)}

    def _index(self, account_id: str) -> RelatedIndex:
        index = self._related.get(account_id)
        if index is None:
            index = self._related[account_id] = RelatedIndex({})
        return index

    async def _decide(self, submission: Submission, work: Slices, clock: Callable[[], datetime]) -> None:
        key = (submission.account_id, submission.receipt or "")
        leader, account = self._leaders.get(key), self._accounts[submission.account_id]
        if (executed := self._executed_before(submission)) is not None:
            self.answers[submission] = submission.replay(executed, account)
        elif leader is None:
            await self._decide_anew(submission, work, clock())
        elif submission.opens_closed(account, leader.metadata):
            self.answers[submission] = AccountClosed(submission.account_id, account.successor if account else None)
        elif leader.fingerprint == submission.fingerprint:
            self.follows[submission] = leader
        else:
            self.answers[submission] = submission.reused(leader.metadata, leader.fingerprint, leader.version)

    def _executed_before(self, submission: Submission) -> Executed | None:
        """The command that has used the key of a submission, if one has."""
        found = (self._executed.get((submission.account_id, name)) for name in submission.receipts)
        return next((one for one in found if one is not None and submission.repeats(one)), None)

    async def _decide_anew(self, submission: Submission, work: Slices, now: datetime) -> None:
        name = submission.account_id
        try:
            check_version(submission, self._accounts[name])
            account = await self._after_many_expiries(submission, now, work)
            command = self._completed.get(submission, submission.command)
            _, related = self._index(name).needed_by(command, account)
            related = self._claims.added_to(related, command)
            command, submission.key = sealed_command(command, self._keys[name])
            submission.events = decide(command, account, now, related)
        except Refusal as refusal:
            self.answers[submission] = refusal
            return
        submission.after = fold(submission.events, account)
        self._keys[name] = key_after(submission.events, submission.key or self._keys[name])
        self._take(submission)
        if submission.receipt is not None and submission.events:
            self._leaders[name, submission.receipt] = submission

    async def _after_many_expiries(self, submission: Submission, now: datetime, work: Slices) -> Account | None:
        """The account of a submission. If thousands of its lots and holds are due, these expiries are recorded before,
        like those that the sweeper sends, because a decision cannot give way."""
        account = self._accounts[submission.account_id]
        if account is None or not has_many_due(account, at := max(now, account.recorded_at)):
            return account
        while account.is_due(at):
            expiries: list[Event] = []
            while len(expiries) < _AT_ONCE and account.is_due(at):
                due, account = next_expiry(account, at)
                expiries += due
                if work.over:
                    await work.pause()
            metadata = Metadata("sweeper", "expire", None, submission.metadata.request_id)
            own = Submission(RecordExpiries(account.account_id), metadata)
            own.events, own.after = tuple(expiries), account
            self._take(own)
        return account

    def _take(self, submission: Submission) -> None:
        """Let the events of a submission be appended, and decide later ones on the account after them."""
        self._accounts[submission.account_id] = submission.after
        self._claims.add(submission.command)
        index = self._index(submission.account_id)
        for version, event in submission.numbered_events():
            index.add(version, event)
        self.decided.append(submission)


def check_version(submission: Submission, account: Account | None) -> None:
    """Raise VersionMismatch unless the account is at a version that the caller expects.

    It raises nothing when the account does not exist, except for an opening: AccountNotFound takes precedence.
    """
    expected = submission.expected
    if expected is None or (account is None and not isinstance(submission.command, OpenAccount)):
        return
    version = account.version if account is not None else 0
    if not expected.holds_at(version):
        raise VersionMismatch(expected.versions, version)


async def _read_related(
    reader: Reader, submissions: Sequence[Submission], heads: dict[str, StreamHead | None]
) -> dict[str, RelatedIndex]:
    related: dict[str, RelatedIndex] = {}
    wanted: dict[str, set[str]] = {}
    none, work = RelatedIndex({}), Slices()
    while True:
        needed: dict[str, set[str]] = {}
        for submission in submissions:
            name = submission.account_id
            subjects, _ = related.get(name, none).needed_by(submission.command, account_of(heads[name]))
            if subjects:
                needed.setdefault(name, set()).update(subjects)
            if work.over:
                await work.pause()
        if needed == wanted:
            return related
        wanted = needed
        related = {name: RelatedIndex(events) for name, events in (await reader.related_events(wanted)).items()}
