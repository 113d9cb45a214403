"""A copy of everything about a person, as a zip file: JSON for programs, a table for people, and a proof for auditors.

It is made when it is fetched, in a temporary file that has no name, so that no copy lies about.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from tempfile import SpooledTemporaryFile
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile

import orjson
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from api.contract.problems import Problem
from api.http.documents.documents import Documents, documents_of
from api.http.people.person_route import people_of
from api.http.queries.history import limited_to_now, pages_in_order
from api.http.queries.reads import Reads, reads_of
from ledger.domain.errors import AccountNotFound
from projections.models.history.entry_lines import csv_of
from projections.models.history.queries import Wanted

IN_MEMORY = 4 * 1024 * 1024
"""Bytes of a copy that are kept in memory; a larger one is in a temporary file."""
_CHUNK = 256 * 1024
_README = """What this service knows of you.

person.json     everything about you as a person: who you are, your sessions, what you did and what was done to you
entries.csv     every change of the balance of your account
statement.json  the events of your account, signed and provable: `credit-ledger verify statement.json`
"""
_making = asyncio.Semaphore(1)
"""One copy at a time in a process: it reads everything that there is."""


async def send_copy(request: Request, user_id: str) -> Response:
    """A copy of everything about a user. Raises Problem when the account cannot be read now."""
    person = await people_of(request).profiles.everything(user_id)
    async with _making:
        file = await _made(reads_of(request), documents_of(request), user_id, person)
    headers = {"content-disposition": f'attachment; filename="{user_id}.zip"', "cache-control": "no-store"}
    return StreamingResponse(_chunks(file), media_type="application/zip", headers=headers)


async def _made(reads: Reads, documents: Documents, user_id: str, person: Mapping[str, object]) -> IO[bytes]:
    file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - the answer closes it
    with ZipFile(file, "w", ZIP_DEFLATED) as packed:
        packed.writestr("README.txt", _README)
        packed.writestr("person.json", orjson.dumps(person, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z))
        with packed.open("entries.csv", "w", force_zip64=True) as entries:
            async for lines in _entries(reads, user_id):
                entries.write(lines.encode())
        packed.writestr(*await _statement(reads, documents, user_id))
    file.seek(0)
    return file


async def _entries(reads: Reads, account_id: str) -> AsyncIterator[str]:
    """The lines of the entries, the oldest first. None while the account was not opened yet."""
    try:
        _, wanted = await limited_to_now(reads, Wanted(account_id), 0)
    except AccountNotFound:
        return
    async for lines in csv_of(pages_in_order(reads, wanted, "oldest first")):
        yield lines


async def _statement(reads: Reads, documents: Documents, account_id: str) -> tuple[str, bytes]:
    """The statement as a file; or a text that says why there is none, because the rest is theirs all the same."""
    try:
        async with documents.press.room_for_statement():
            return "statement.json", await documents.whole_statement(reads, account_id)
    except (Problem, AccountNotFound) as problem:
        return "statement.txt", f"There is no statement in this copy. {problem}\n".encode()


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
