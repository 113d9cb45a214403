"""The formats of a history: for a terminal, for a file, for a program."""

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
from ledger.explain.balance_answer import (
    BalanceFields,
    ComingFields,
    OpenLot,
    balance_fields,
    coming_grants,
    open_lots,
)
from ledger.explain.explanation import Explanation
from ledger.explain.explanation_answer import ExplanationFields, explanation_fields
from ledger.explain.sentences import instant

NAMED = 20
"""The most versions that a summary names as not sound. It counts all."""


@dataclass(slots=True)
class Summary:
    """The counts and findings of a history so far."""

    events: int = 0
    """The number of events, which is also the last version: a history begins with the first event."""
    unsound: int = 0
    named: list[int] = field(default_factory=list)
    as_of: datetime | None = None
    """The moment of the balance at the end, if it is not the moment of the last event."""
    problem: str | None = None

    def count(self, explained: Explanation) -> None:
        """Count an event."""
        self.events += 1
        if not explained.sound:
            self.unsound += 1
            self.named += [explained.version][: NAMED - len(self.named)]


class HistoryFormat(Protocol):
    """Writes a history to standard output."""

    def event(self, account_id: str, explained: Explanation, position: int | None) -> None:
        """Write one event. An event without a position is not recorded."""

    def flush(self) -> None:
        """Print what is not printed yet."""

    def end(self, account_id: str, account: Account | None, summary: Summary) -> None:
        """Write the account at the end, and the summary."""


class PlainText:
    """For a file. It prints a page of lines at a time."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def event(self, account_id: str, explained: Explanation, position: int | None) -> None:
        """Keep the lines of an event."""
        self._lines += [line.text for line in event_lines(explained, position)]

    def flush(self) -> None:
        """Print the kept lines."""
        if self._lines:
            typer.echo("\n".join(self._lines))
            self._lines.clear()

    def end(self, account_id: str, account: Account | None, summary: Summary) -> None:
        """Print the last lines."""
        self._lines += [line.text for line in _last_lines(account_id, account, summary)]
        self.flush()


class Terminal:
    """For a terminal. It prints each event at once, with bold text and colours."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def event(self, account_id: str, explained: Explanation, position: int | None) -> None:
        """Print the lines of an event."""
        self._print(event_lines(explained, position))

    def flush(self) -> None:
        """Do nothing: every line is printed already."""

    def end(self, account_id: str, account: Account | None, summary: Summary) -> None:
        """Print the last lines."""
        self._print(_last_lines(account_id, account, summary))

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


class OpenDispute(TypedDict):
    """What an open dispute of a payment holds in the end."""

    hold_id: str
    amount: int
    payment_id: str
    dispute_id: str


class FinalAccount(BalanceFields):
    """An account in the end."""

    standing: Standing
    grants: list[OpenLot]
    coming: list[ComingFields]
    holds: list[OpenHold]
    disputed: list[OpenDispute]


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
    """For a program: one object for each event, and one of type `End`."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def event(self, account_id: str, explained: Explanation, position: int | None) -> None:
        """Keep an event as the HTTP API explains it, with its position."""
        self._add(
            {
                "account_id": account_id,
                "position": position,
                "recorded": position is not None,
                **explanation_fields(explained),
            }
        )

    def flush(self) -> None:
        """Print the kept lines."""
        if self._lines:
            typer.echo(b"\n".join(self._lines))
            self._lines.clear()

    def end(self, account_id: str, account: Account | None, summary: Summary) -> None:
        """Print the account and the summary."""
        self._add(
            {
                "type": "End",
                "account_id": account_id,
                "version": summary.events,
                "as_of": summary.as_of,
                "unsound": summary.unsound,
                "unsound_versions": summary.named,
                "problem": summary.problem,
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
        "coming": coming_grants(account.coming),
        "holds": [
            {"hold_id": hold.hold_id, "amount": hold.amount, "expires_at": hold.expires_at} for hold in account.holds
        ],
        "disputed": [
            {
                "hold_id": held.hold_id,
                "amount": held.amount,
                "payment_id": held.payment_id,
                "dispute_id": held.dispute_id,
            }
            for held in account.disputed
        ],
    }


def _last_lines(account_id: str, account: Account | None, summary: Summary) -> Iterator[Line]:
    if summary.problem:
        yield Line(f"The history of {account_id} ends here: {summary.problem}.", "bold red")
    elif account is not None:
        when = f", as of {instant(summary.as_of)}" if summary.as_of else ""
        yield from account_lines(account, f"{account_id} after version {summary.events}{when}")
    if summary.unsound:
        named = ", ".join(map(str, summary.named)) + (", ..." if summary.unsound > len(summary.named) else "")
        yield Line(f"{summary.unsound:,} of {summary.events:,} events are not sound: versions {named}.", "bold red")
    elif not summary.problem:
        yield Line(f"{summary.events:,} events, all of them sound: each agrees with the rules.", "bold green")
