"""Deciding on what the log says now, rather than on what is remembered.

This is the slow and certain way: receipts, states and the past are read, then everything is decided in order. Under
the append lock its answers are final; without the lock it is how a dry run looks ahead.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from ledger.account import Account, fold
from ledger.aggregate import decide
from ledger.entries import Entry, Outcome, Unit
from ledger.errors import BatchRefused, Refusal, VersionMismatch
from ledger.events import Events
from ledger.past import NO_PAST, Past, subjects
from ledger.store.log import Executed, Reader

Key = tuple[str, str]


class Deliberation:
    """Reads what some entries need, and decides them. Afterwards each entry has its events, or is in `answers`."""

    def __init__(
        self,
        accounts: dict[str, Account | None],
        executed: dict[Key, Executed],
        pasts: dict[str, Past],
        clock: Callable[[], datetime],
    ) -> None:
        self.accounts = accounts
        self.answers: dict[Entry, Outcome] = {}
        self.follows: dict[Entry, Entry] = {}
        """Entries that repeat an earlier one of the same deliberation."""
        self.decided: list[Entry] = []
        """Entries that have events to append, in order."""
        self._executed = executed
        self._pasts = pasts
        self._recent: dict[str, Events] = {}
        self._leaders: dict[Key, Entry] = {}
        self._clock = clock

    @classmethod
    async def prepare(
        cls,
        reader: Reader,
        entries: Sequence[Entry],
        known: Mapping[str, Account | None],
        clock: Callable[[], datetime],
    ) -> "Deliberation":
        """Read all that deciding `entries` needs, starting from what is known of their accounts."""
        keys = [(entry.account_id, entry.receipt) for entry in entries if entry.receipt is not None]
        executed = await reader.executed(keys) if keys else {}
        loaded = await reader.load(known)
        accounts = {name: item.account for name, item in loaded.items()}
        return cls(accounts, executed, await _read_pasts(reader, entries, accounts), clock)

    def decide_unit(self, unit: Unit) -> None:
        """Decide one entry, or an atomic batch of them: all or none."""
        if unit.atomic is None:
            self._decide(unit.entries[0])
            return
        before = (dict(self.accounts), dict(self._recent), dict(self._leaders), len(self.decided))
        for index, entry in enumerate(unit.entries):
            self._decide(entry)
            answer = self.answers.get(entry)
            if isinstance(answer, Refusal):
                self.accounts, self._recent, self._leaders, count = before
                del self.decided[count:]
                self.answers |= dict.fromkeys(unit.entries, BatchRefused(index, answer))
                return

    def _decide(self, entry: Entry) -> None:
        key = (entry.account_id, entry.receipt or "")
        leader = self._leaders.get(key)
        if key in self._executed:
            self.answers[entry] = entry.replay(self._executed[key])
        elif leader is None:
            self._decide_anew(entry)
        elif leader.fingerprint == entry.fingerprint:
            self.follows[entry] = leader
        else:
            self.answers[entry] = entry.reused(leader.metadata, leader.fingerprint, leader.version)

    def _decide_anew(self, entry: Entry) -> None:
        account = self.accounts[entry.account_id]
        recent = self._recent.get(entry.account_id, ())
        past = Past(self._pasts.get(entry.account_id, NO_PAST).events + recent)
        try:
            check_version(entry, account)
            entry.events = decide(entry.command, account, self._clock(), past)
        except Refusal as refusal:
            self.answers[entry] = refusal
            return
        entry.after = self.accounts[entry.account_id] = fold(entry.events, account)
        self._recent[entry.account_id] = recent + entry.events
        self.decided.append(entry)
        if entry.receipt is not None and entry.events:
            self._leaders[entry.account_id, entry.receipt] = entry


def check_version(entry: Entry, account: Account | None) -> None:
    """Raise VersionMismatch unless the account is at the version that the caller expects."""
    expected = entry.expected_version
    if expected is not None and account is not None and account.version != expected:
        raise VersionMismatch(expected, account.version)


async def _read_pasts(reader: Reader, entries: Sequence[Entry], accounts: dict[str, Account | None]) -> dict[str, Past]:
    pasts: dict[str, Past] = {}
    wanted: dict[str, frozenset[str]] = {}
    while True:
        needed: dict[str, frozenset[str]] = {}
        for entry in entries:
            name = entry.account_id
            more = subjects(entry.command, accounts[name], pasts.get(name, NO_PAST))
            needed[name] = needed.get(name, frozenset()) | more
        needed = {name: things | wanted.get(name, frozenset()) for name, things in needed.items() if things}
        if needed == wanted:
            return pasts
        wanted = needed
        pasts = await reader.pasts(wanted)
