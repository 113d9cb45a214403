"""The events of an account, for operators: the newest first, each explained and checked against the rules."""

from typing import NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.pages.event_details import EventDetails, details_of
from api.dashboard.rendering import page
from api.http.queries.reads import reads_of
from ledger.domain.errors import AccountNotFound
from ledger.readable_texts import ReadableState, readable_data
from ledger.service import Ledger
from ledger.store import StoredRow

PAGE = 25
_TEXTS = ("description", "reason")


class EventItem(NamedTuple):
    """One event as stored, with its details. They are None if an earlier event could not be explained."""

    row: StoredRow
    state: ReadableState
    details: EventDetails | None

    @property
    def origin(self) -> dict[str, str | None]:
        """The metadata of the event: actor, operation, idempotency key and request id."""
        metadata: dict[str, str | None] = self.state["metadata"]
        return metadata

    @property
    def texts(self) -> dict[str, str]:
        """The texts that the caller wrote, as far as their keys were not destroyed."""
        data = self.state["data"]
        texts = {name: data[name] for name in _TEXTS if data.get(name)}
        for name in ("usage", "metadata"):
            if data.get(name):
                texts[name] = orjson.dumps(data[name], option=orjson.OPT_INDENT_2).decode()
        return texts


class VersionRange(NamedTuple):
    """The versions on the page. `problem` explains why it is not the page that the address asks for."""

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
    """Show one page of events. `version` in the address is the newest on it."""
    account_id = request.path_params["account_id"]
    ledger = reads_of(request).ledger
    newest = await ledger.current.newest_event(account_id)
    if newest is None:
        raise AccountNotFound(account_id)
    versions = _versions(request.query_params.get("version", ""), newest.version)
    shown, problem = await _shown(ledger, account_id, versions)
    return await page(request, "events.html", account_id=account_id, versions=versions, events=shown, problem=problem)


def _versions(text: str, newest: int) -> VersionRange:
    if not text:
        return VersionRange(newest, newest, None)
    version = int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0
    if 1 <= version <= newest:
        return VersionRange(version, newest, None)
    return VersionRange(newest, newest, f"There is no such version: they go from 1 to {newest}. The newest are shown.")


async def _shown(ledger: Ledger, account_id: str, versions: VersionRange) -> tuple[list[EventItem], str | None]:
    """The events, the newest first, and the reason why some of them are not explained."""
    found = await ledger.explain_last_events(account_id, versions.upto, versions.upto - versions.first + 1)
    states = await readable_data(ledger.log, found.rows)
    explained: list[EventDetails | None] = [details_of(one.explanation) for one in found.explained]
    explained += [None] * (len(found.rows) - len(explained))
    shown = [EventItem(row, state, details) for row, state, details in zip(found.rows, states, explained, strict=True)]
    return shown[::-1], found.problem
