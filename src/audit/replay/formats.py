"""Who tells a story: to a terminal, to a file, to a program."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

import orjson
import typer
from rich.console import Console
from rich.text import Text
from typing_extensions import TypedDict

from audit.replay.history import Line, account_lines, event_lines
from ledger.domain.account import Account, Standing
from ledger.explain.balance_answer import BalanceFields, OpenLot, balance_fields, open_lots
from ledger.explain.explanation import Explanation
from ledger.explain.explanation_answer import ExplanationFields, explanation_fields
from ledger.explain.sentences import instant

NAMED = 20
"""Versions that are not sound and are named in the end; the others are counted."""


@dataclass(slots=True)
class Ending:
    """What a story came to, so far; `as_of` is the moment of the balance in the end, if that is not its last event."""

    events: int = 0
    """As many as versions: a story begins with the first."""
    unsound: int = 0
    named: list[int] = field(default_factory=list)
    as_of: datetime | None = None
    problem: str | None = None

    def count(self, told: Explanation) -> None:
        """Take in an event."""
        self.events += 1
        if not told.sound:
            self.unsound += 1
            self.named += [told.version][: NAMED - len(self.named)]


class Teller(Protocol):
    """Something that tells."""

    def event(self, account_id: str, told: Explanation, position: int | None) -> None:
        """One event; without a position it is not recorded."""

    def flush(self) -> None:
        """What was told is out."""

    def end(self, account_id: str, account: Account | None, ending: Ending) -> None:
        """How the account stands in the end, and whether all was sound."""


class Plain:
    """For a file: a page of lines at a time."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def event(self, account_id: str, told: Explanation, position: int | None) -> None:
        """Its lines, as they are."""
        self._lines += [line.text for line in event_lines(told, position)]

    def flush(self) -> None:
        """Print them together."""
        if self._lines:
            typer.echo("\n".join(self._lines))
            self._lines.clear()

    def end(self, account_id: str, account: Account | None, ending: Ending) -> None:
        """The last lines."""
        self._lines += [line.text for line in _last_lines(account_id, account, ending)]
        self.flush()


class Rich:
    """For a terminal: as it comes, with weight and colour."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def event(self, account_id: str, told: Explanation, position: int | None) -> None:
        """Its lines, with their styles."""
        self._print(event_lines(told, position))

    def flush(self) -> None:
        """It is out already."""

    def end(self, account_id: str, account: Account | None, ending: Ending) -> None:
        """The last lines."""
        self._print(_last_lines(account_id, account, ending))

    def _print(self, lines: Iterable[Line]) -> None:
        for text, style in lines:
            self._console.print(Text(text, style), soft_wrap=True)


class ReplayedEvent(ExplanationFields):
    """One event as the HTTP API explains it, and whether it is recorded."""

    account_id: str
    position: int | None
    recorded: bool


class OpenHold(TypedDict):
    """A hold that is open in the end."""

    hold_id: str
    amount: int
    expires_at: datetime


class FinalAccount(BalanceFields):
    """An account in the end."""

    standing: Standing
    grants: list[OpenLot]
    holds: list[OpenHold]


class End(TypedDict):
    """The last line: the balance, and what was found."""

    type: Literal["End"]
    account_id: str
    version: int
    as_of: datetime | None
    unsound: int
    unsound_versions: list[int]
    problem: str | None
    account: FinalAccount | None


class JsonLines:
    """For a program: an object per event, and one of type `End`."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def event(self, account_id: str, told: Explanation, position: int | None) -> None:
        """As the HTTP API explains it, and whether it is recorded."""
        self._add(
            {
                "account_id": account_id,
                "position": position,
                "recorded": position is not None,
                **explanation_fields(told),
            }
        )

    def flush(self) -> None:
        """Print them together."""
        if self._lines:
            typer.echo(b"\n".join(self._lines))
            self._lines.clear()

    def end(self, account_id: str, account: Account | None, ending: Ending) -> None:
        """The balance, and what was found."""
        self._add(
            {
                "type": "End",
                "account_id": account_id,
                "version": ending.events,
                "as_of": ending.as_of,
                "unsound": ending.unsound,
                "unsound_versions": ending.named,
                "problem": ending.problem,
                "account": _final(account) if account else None,
            }
        )
        self.flush()

    def _add(self, value: ReplayedEvent | End) -> None:
        self._lines.append(orjson.dumps(value, option=orjson.OPT_UTC_Z))


def _final(account: Account) -> FinalAccount:
    return {
        "standing": account.standing,
        **balance_fields(account.balance),
        "grants": open_lots(account.lots),
        "holds": [
            {"hold_id": hold.hold_id, "amount": hold.amount, "expires_at": hold.expires_at}
            for hold in account.holds.values()
        ],
    }


def _last_lines(account_id: str, account: Account | None, ending: Ending) -> Iterator[Line]:
    if ending.problem:
        yield Line(f"The story of {account_id} ends here: {ending.problem}.", "bold red")
    elif account is not None:
        when = f", as of {instant(ending.as_of)}" if ending.as_of else ""
        yield from account_lines(account, f"{account_id} after version {ending.events}{when}")
    if ending.unsound:
        named = ", ".join(map(str, ending.named)) + (", ..." if ending.unsound > len(ending.named) else "")
        yield Line(f"{ending.unsound:,} of {ending.events:,} events are not sound: versions {named}.", "bold red")
    elif not ending.problem:
        yield Line(
            f"{ending.events:,} events, all of them sound: each is what the rules make of the account before it.",
            "bold green",
        )
