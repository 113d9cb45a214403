"""The files that operators have uploaded, in the database: every worker of the service finds them there."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Literal

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ledger.postgres.named_sql import queries
from ledger.store import EventLog

MAX_UPLOAD = 64 * 1024 * 1024
"""Bytes. A larger file is imported with the command line."""
PART = 256 * 1024
MOST_WAITING = 50
"""The most files that are uploaded and not imported yet."""
KEPT_DAYS = 7
"""After so many days a file is forgotten, imported or not."""
_SILENCE = timedelta(seconds=15)
"""After so long without a sign of the process that works on a file, another one may take it."""

State = Literal["arriving", "uploaded", "checking", "checked", "recording", "stopped", "done"]
_SQL = queries("api.imports", "sql/uploads.sql")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file, and how far its import is."""

    upload_id: str
    name: str
    actor: str
    size: int
    state: State
    form: dict[str, str]
    """What the operator typed."""
    problem: str | None
    """Why the file could not be checked or imported."""
    preview: dict[str, Any] | None
    report: dict[str, Any] | None
    done: int
    total: int
    created_at: datetime
    has_bad_rows: bool
    abandoned: bool
    """Whether the process that worked on it has fallen silent."""

    @property
    def running(self) -> bool:
        """Whether a process works on it."""
        return self.state in ("checking", "recording") and not self.abandoned


class Uploads:
    """The uploaded files. Every method raises psycopg.Error."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def begin(self, name: str, actor: str) -> str | None:
        """Make room for a file; None if too many wait already."""
        await self._rows("forget", days=KEPT_DAYS)
        if (await self._rows("count"))[0]["count"] >= MOST_WAITING:
            return None
        upload_id = secrets.token_urlsafe(12)
        await self._rows("begin", upload_id=upload_id, name=name, actor=actor)
        return upload_id

    async def add_part(self, upload_id: str, number: int, content: bytes) -> None:
        """Keep a part of a file; the parts are numbered from 0."""
        await self._rows("add_part", upload_id=upload_id, number=number, content=content)

    async def arrived(self, upload_id: str, size: int) -> None:
        """The whole file is there."""
        await self._rows("arrived", upload_id=upload_id, size=size)

    async def find(self, upload_id: str) -> Upload | None:
        """A file."""
        rows = await self._rows("find", upload_id=upload_id, silence=_SILENCE)
        return Upload(**rows[0]) if rows else None

    async def recent(self, limit: int) -> list[Upload]:
        """The newest files."""
        return [Upload(**row) for row in await self._rows("recent", limit=limit, silence=_SILENCE)]

    async def copy(self, upload_id: str, file: BinaryIO, parts: int | None = None) -> None:
        """Write a file's content, or its first parts."""
        number = 0
        while number != parts and (rows := await self._rows("part", upload_id=upload_id, number=number)):
            file.write(rows[0]["content"])
            number += 1

    async def bad_rows(self, upload_id: str) -> bytes | None:
        """The rows of a file that cannot be used, as a file."""
        rows = await self._rows("bad_rows", upload_id=upload_id)
        return bytes(rows[0]["bad_rows"]) if rows else None

    async def claim(
        self, upload_id: str, states: Sequence[State], to: State, form: Mapping[str, str] | None = None
    ) -> bool:
        """Begin to work on a file that is in one of some states, or left behind in `to`; whether nobody else does."""
        said = None if form is None else Jsonb(dict(form))
        parameters = {"states": list(states), "to": to, "left_behind": [to], "form": said, "silence": _SILENCE}
        return bool(await self._rows("claim", upload_id=upload_id, **parameters))

    async def reach(self, upload_id: str, state: State, done: int, total: int) -> bool:
        """Say how far the work is; whether somebody has asked to stop it, or it is not ours any more."""
        rows = await self._rows("reach", upload_id=upload_id, state=state, done=done, total=total)
        return not rows or bool(rows[0]["stop"])

    async def stop(self, upload_id: str) -> None:
        """Ask whoever imports a file to stop."""
        await self._rows("stop", upload_id=upload_id)

    async def settle(
        self,
        upload_id: str,
        state: State,
        to: State,
        *,
        problem: str | None = None,
        preview: dict[str, Any] | None = None,
        report: dict[str, Any] | None = None,
        bad_rows: bytes | None = None,
    ) -> None:
        """End the work on a file. Once it is imported, its content is dropped."""
        known = {
            "preview": None if preview is None else Jsonb(preview),
            "report": None if report is None else Jsonb(report),
            "bad_rows": bad_rows,
            "checked": state == "checking",
        }
        await self._rows("settle", upload_id=upload_id, state=state, to=to, problem=problem, **known)
        if to == "done":
            await self._rows("drop_parts", upload_id=upload_id)

    async def discard(self, upload_id: str) -> None:
        """Throw a file away, unless somebody works on it."""
        await self._rows("discard", upload_id=upload_id, silence=_SILENCE)

    async def _rows(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        async with self._log.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_SQL[statement], parameters)
            return await cursor.fetchall() if cursor.description else []
