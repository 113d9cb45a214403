"""Prints documents beside the event loop: a few at once, and a bounded number that wait."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from api.contract.problems import Problem
from audit.documents.document import Claims, Kind
from audit.documents.finished import finished
from audit.documents.making import Evident, Signed, sign_document
from audit.documents.printing import CannotPrint

AT_ONCE = 2
"""Documents that are printed at the same time: the printer is as fast as the processor."""
WAITING = 64
"""Documents that are asked for at the same time; further ones are refused as `overloaded`."""
PATIENCE = 30.0
"""Seconds after which a request is given up. The printer still finishes, and counts until then."""
KEPT, LARGEST_KEPT = 100, 100_000
"""PDFs that are kept in memory, those that were asked for last; and the bytes of the largest of them."""
T = TypeVar("T")
_log = logging.getLogger("credit_ledger.documents")


@dataclass(frozen=True, slots=True)
class Ready:
    """A document that is signed and not yet printed. `tag` is its entity tag: the same document has the same."""

    name: str
    kind: Kind
    evident: Evident
    claims: Claims
    signed: Signed
    tag: str


class Press:
    """What prints. `folders` have fonts for characters that those of the printer lack."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = tuple(folders)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="press")
        self._asked = 0
        self._room, self._statements = asyncio.Semaphore(AT_ONCE), 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    @asynccontextmanager
    async def room_for_statement(self) -> AsyncIterator[None]:
        """Wait until there is room for a statement, whose proof may take a hundred megabytes. Raises Problem."""
        if self._statements >= WAITING:
            raise _busy()
        self._statements += 1
        try:
            async with self._room:
                yield
        finally:
            self._statements -= 1

    async def sign(self, name: str, kind: Kind, evident: Evident, claims: Claims) -> Ready:
        """Sign a document. Raises Problem when there are too many, and Breach when the log is not intact."""
        signed = await self._run(lambda: sign_document(kind, evident, claims))
        return Ready(name, kind, evident, claims, signed, f'"{sha256(signed.attachment).hexdigest()[:32]}"')

    async def pdf(self, ready: Ready) -> bytes:
        """Print a document. Raises Problem when there are too many, or when it cannot be printed, as a bad logo."""
        kept = self._kept.get(ready.tag)
        if kept is not None:
            self._kept.move_to_end(ready.tag)
            return kept
        try:
            return self._keep(ready.tag, await self._run(lambda: self._printed(ready)))
        except CannotPrint as problem:
            _log.error("a document cannot be printed: %s", problem)
            raise Problem(
                "document_unavailable",
                "The document cannot be printed. An operator finds the reason in the log of the service.",
                retry_after=10,
            ) from problem

    def _keep(self, tag: str, pdf: bytes) -> bytes:
        """Keep a PDF for those who ask for it again, unless it is large."""
        if len(pdf) <= LARGEST_KEPT:
            self._kept[tag] = pdf
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return pdf

    def _printed(self, ready: Ready) -> bytes:
        return finished(ready.kind, ready.evident, ready.claims, ready.signed, self._folders)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._asked >= WAITING:
            raise _busy()
        self._asked += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        running.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(running), PATIENCE)
        except TimeoutError:
            raise _busy() from None

    def _done(self, running: "asyncio.Future[T]") -> None:
        self._asked -= 1
        if not running.cancelled():
            running.exception()  # one that nobody waits for any more is no news


def _busy() -> Problem:
    return Problem("overloaded", "Too many documents are being printed. Ask again later.", retry_after=2)
