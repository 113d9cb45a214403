"""What a plan knows of its accounts: the ledger's own rules, carried out on paper.

So a plan knows the ids that the ledger will give, never asks for what will be refused unless it means to, and stops by
itself if a rule ever changes under it.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from api.contract.operations import OPERATIONS, Defaults
from ledger.domain.account import Account, fold
from ledger.domain.commands import Command
from ledger.domain.decider import decide
from ledger.domain.errors import Refusal
from ledger.domain.events import Event, Events
from ledger.domain.expiry import apply_due_expiries
from ledger.domain.related_events import NO_RELATED_EVENTS, RelatedEvents, needed_subjects
from ledger.store import fingerprint

EXPIRE = "expire"
"""The sweeper's command, which no caller can ask for."""

_DEFAULTS = Defaults()


class Wish(NamedTuple):
    """One command of a plan, with what a door makes of it, and what becomes of it."""

    moment: datetime
    actor: str
    operation: str
    command: Command
    key: str | None = None
    fingerprint: bytes = b""
    refusal: str | None = None
    """The code with which it is refused; None when it is carried out."""
    version: int = 0
    """The account's version afterwards."""

    @property
    def account_id(self) -> str:
        """Whose account it is about."""
        return self.command.account_id


def wished(
    moment: datetime,
    actor: str,
    operation: str,
    account_id: str,
    fields: Mapping[str, Any],
    key: str | None,
    ids: Mapping[str, str],
) -> Wish:
    """A wish in the words of the HTTP contract: `fields` is the body, `ids` are those of the path."""
    known = OPERATIONS[operation]
    body = known.body.model_validate(fields)
    key = key or getattr(body, known.own_key or "")
    command = known.build(account_id, ids, body, _DEFAULTS)
    return Wish(moment, actor, operation, command, key, fingerprint(known.values(ids, body)))


class Surprise(Exception):
    """The ledger does not answer as the plan says; the message names the wish."""


class Books:
    """The accounts of a plan."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._streams: defaultdict[str, list[Event]] = defaultdict(list)

    def account(self, account_id: str) -> Account:
        """As its last event left it."""
        return self._accounts[account_id]

    def account_at(self, account_id: str, at: datetime) -> Account:
        """With all that time has taken from it by a moment."""
        return apply_due_expiries(self._accounts[account_id], at)[1]

    def enter(self, wish: Wish) -> tuple[Wish, Events]:
        """Carry a wish out; returns it with the version that it leads to. Raises Surprise."""
        account = self._accounts.get(wish.account_id)
        try:
            events = self._decide(wish, account)
        except Refusal as refusal:
            if refusal.code != wish.refusal:
                raise Surprise(f"{refusal.code} was not planned: {wish}") from refusal
            return wish._replace(version=account.version if account else 0), ()
        if wish.refusal is not None:
            raise Surprise(f"it was not refused: {wish}")
        account = fold(events, account)
        assert account is not None, "every command that is carried out leaves an account"
        self._accounts[wish.account_id] = account
        self._streams[wish.account_id] += events
        return wish._replace(version=account.version), events

    def _decide(self, wish: Wish, account: Account | None) -> Events:
        needs_past = needed_subjects(wish.command, account, NO_RELATED_EVENTS)
        related = RelatedEvents(tuple(self._streams[wish.account_id])) if needs_past else NO_RELATED_EVENTS
        return decide(wish.command, account, wish.moment, related)
