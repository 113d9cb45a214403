"""Reads a form with a file, as browsers send it: its fields, then the file in pieces, with limits on all of it.

The fields come before the file, so a page can look at them, and refuse, before it reads the file.
"""

import asyncio
import hmac
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from starlette.exceptions import HTTPException
from starlette.requests import Request

from api.contract.problems import Problem
from api.dashboard.forms import MAX_FIELDS, MAX_FORM, TOKEN, csrf_token, form_secret
from api.http.requests.request_body import ClientLeft

PIECE_SECONDS = 30.0
"""Seconds in which some more of the file must arrive."""
WHOLE_SECONDS = 900.0
_MAX_HEAD = 8 * 1024
_BOUNDARY = re.compile(r'multipart/form-data;.*?boundary=("?)([0-9A-Za-z\'()+_,./:=? -]{1,70})\1(?:;|$)', re.IGNORECASE)
_NAME = re.compile(r'[; ]name="([^"\r\n]*)"')
_FILE_NAME = re.compile(r'[; ]filename="([^"\r\n]*)"')


@dataclass(slots=True)
class UploadForm:
    """A form whose file still arrives: `pieces` can be read once. Raises HTTPException, Problem and ClientLeft."""

    fields: dict[str, str]
    file_name: str
    pieces: AsyncIterator[bytes]


async def read_upload(request: Request, limit: int) -> UploadForm:
    """Read a form up to its file, which may have `limit` bytes, and check its token.

    Raises HTTPException 400, 403, 413 or 415, ClientLeft, and Problem: body_timeout.
    """
    found = _BOUNDARY.match(request.headers.get("content-type", ""))
    if found is None:
        raise HTTPException(415, "The content type of this form must be multipart/form-data.")
    too_large = HTTPException(
        413, f"A file may have at most {limit // 1024 // 1024} MiB. Import it with the command line."
    )
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > limit + MAX_FORM:
        raise too_large
    body = _Body(request, b"\r\n--" + found[2].encode(), limit + MAX_FORM, too_large)
    fields: dict[str, str] = {}
    size = 0
    async for name, file_name in body.parts():
        if file_name is not None:
            _check_token(request, fields)
            return UploadForm(fields, _last_part(file_name), body.content())
        text = b""
        async for piece in body.content():
            text += piece
            size += len(piece)
            if size > MAX_FORM:
                raise HTTPException(413, f"The fields of a form may have at most {MAX_FORM} bytes.")
        if name in fields or len(fields) >= MAX_FIELDS:
            raise HTTPException(400, "The form has a field twice, or too many fields.")
        try:
            fields[name] = text.decode()
        except UnicodeDecodeError as error:
            raise HTTPException(400, "The form cannot be read.") from error
    raise HTTPException(400, "The form has no file.")


def _check_token(request: Request, fields: dict[str, str]) -> None:
    token = fields.pop(TOKEN, "")
    if not hmac.compare_digest(token.encode(), csrf_token(form_secret(request)).encode()):
        raise HTTPException(
            403, "This form belongs to an earlier session. Go back, reload the page, and send the form again."
        )


def _last_part(name: str) -> str:
    """The name of a file without folders, which some browsers send, and without control characters."""
    plain = re.split(r"[/\\]", unquote(name))[-1]
    return "".join(sign for sign in plain if sign.isprintable())[:100]


@dataclass(slots=True)
class _Body:
    """The body of a request, part by part."""

    request: Request
    boundary: bytes
    limit: int
    too_large: HTTPException
    _buffer: bytes = b"\r\n"  # so that the first boundary is like the others
    _size: int = 0
    _more: bool = True
    _began: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def parts(self) -> AsyncIterator[tuple[str, str | None]]:
        """The name of each part, and the name of its file if it is one. Read its `content` before the next."""
        async for _ in self._until(self.boundary):
            pass
        while True:
            if await self._take(2) == b"--":
                return
            head = (await self._head()).decode("utf-8", "replace")
            name, file_name = _NAME.search(head), _FILE_NAME.search(head)
            if name is None:
                raise HTTPException(400, "The form cannot be read.")
            yield name[1], file_name[1] if file_name else None

    def content(self) -> AsyncIterator[bytes]:
        """The content of the current part, in pieces."""
        return self._until(self.boundary)

    async def _until(self, end: bytes) -> AsyncIterator[bytes]:
        """What comes before `end`, which is taken away."""
        while (place := self._buffer.find(end)) < 0:
            keep = len(end) - 1
            piece, self._buffer = self._buffer[:-keep], self._buffer[-keep:]
            if piece:
                yield piece
            await self._receive()
        piece, self._buffer = self._buffer[:place], self._buffer[place + len(end) :]
        if piece:
            yield piece

    async def _head(self) -> bytes:
        self._buffer = b"\r\n" + self._buffer
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > _MAX_HEAD:
                raise HTTPException(400, "The form cannot be read.")
            await self._receive()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    async def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._receive()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    async def _receive(self) -> None:
        """Wait for some more of the body."""
        if not self._more:
            raise HTTPException(400, "The form ends too early.")
        left = WHOLE_SECONDS - (asyncio.get_running_loop().time() - self._began)
        try:
            async with asyncio.timeout(max(0.0, min(PIECE_SECONDS, left))):
                message = await self.request.receive()
        except TimeoutError:
            raise Problem("body_timeout", "The file did not arrive in time.", seconds=int(PIECE_SECONDS)) from None
        if message["type"] != "http.request":
            raise ClientLeft
        piece = message.get("body", b"")
        self._more = message.get("more_body", False)
        self._size += len(piece)
        if self._size > self.limit:
            raise self.too_large
        self._buffer += piece
