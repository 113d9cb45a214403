"""The answers about an account's history."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import AsOf, ListPage
from projections.models.history.entry_answer import Entry


class HistoryAnswer(ListPage):
    """Entries in order."""

    successor: Annotated[str | None, Field(description="of a closed account: the one into which it was merged")]
    entries: list[Entry]


class EntryTable(TypedDict):
    """A page of the entries of some days."""

    entries: list[Entry]
    next_cursor: str | None
    stopped_at: datetime | None
    """Of a page that ended before it was full: the time of the last entry that was looked at."""


class EntryTableAnswer(EntryTable, AsOf):
    """The same, with the position that it stands at."""
