"""An account's events as an operator reads them: the newest first, each explained and held against the rules."""

from typing import NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.current_user import operator_of
from api.dashboard.event_rows import Told, told_of
from api.dashboard.rendering import page
from api.http.reads import reads_of
from ledger.domain.errors import AccountNotFound
from ledger.readable_texts import ReadableState, readable_data
from ledger.service import Ledger
from ledger.store import StoredRow

PAGE = 25
_TEXTS = ("description", "reason")


class Shown(NamedTuple):
    """One event: as stored, and explained unless one could not go on to it."""

    row: StoredRow
    state: ReadableState
    told: Told | None

    @property
    def origin(self) -> dict[str, str | None]:
        """Who asked for it, as what, under which key."""
        metadata: dict[str, str | None] = self.state["metadata"]
        return metadata

    @property
    def texts(self) -> dict[str, str]:
        """What its caller wrote, as far as it can be read."""
        data = self.state["data"]
        said = {name: data[name] for name in _TEXTS if data.get(name)}
        for name in ("usage", "metadata"):
            if data.get(name):
                said[name] = orjson.dumps(data[name], option=orjson.OPT_INDENT_2).decode()
        return said


class Place(NamedTuple):
    """Which page of how many events this is, by versions; `problem` says why it is not the one that was asked for."""

    upto: int
    newest: int
    problem: str | None

    @property
    def first(self) -> int:
        """The oldest version of the page."""
        return max(self.upto - PAGE + 1, 1)

    @property
    def newer(self) -> int | None:
        """Where the page of newer events begins."""
        return min(self.upto + PAGE, self.newest) if self.upto < self.newest else None

    @property
    def older(self) -> int | None:
        """Where the page of older events begins."""
        return self.first - 1 or None


async def events(request: Request) -> Response:
    """A page of events, by the version that it begins with."""
    await operator_of(request)
    account_id = request.path_params["account_id"]
    ledger = reads_of(request).ledger
    async with ledger.log.reader() as reader:
        newest = await reader.newest_event(account_id)
    if newest is None:
        raise AccountNotFound(account_id)
    place = _place(request.query_params.get("version", ""), newest.version)
    shown, problem = await _shown(ledger, account_id, place)
    return await page(request, "events.html", account_id=account_id, place=place, shown=shown, problem=problem)


def _place(asked: str, newest: int) -> Place:
    if not asked:
        return Place(newest, newest, None)
    version = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 16 else 0
    if 1 <= version <= newest:
        return Place(version, newest, None)
    return Place(newest, newest, f"There is no such version: they go from 1 to {newest}. These are the newest.")


async def _shown(ledger: Ledger, account_id: str, place: Place) -> tuple[list[Shown], str | None]:
    """The newest first, and why some are not explained."""
    found = await ledger.explain_last_events(account_id, place.upto, place.upto - place.first + 1)
    states = await readable_data(ledger.log, found.rows)
    told: list[Told | None] = [told_of(one.explanation) for one in found.explained]
    told += [None] * (len(found.rows) - len(told))
    shown = [Shown(row, state, one) for row, state, one in zip(found.rows, states, told, strict=True)]
    return shown[::-1], found.problem
