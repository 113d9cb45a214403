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
from audit.documents.making import Evident, sign_document
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
    """What a document says, not yet signed and printed."""

    name: str
    kind: Kind
    evident: Evident
    claims: Claims


@dataclass(frozen=True, slots=True)
class Printed:
    """A document with its entity tag: the same document has the same. `pdf` is None for a caller who has it."""

    tag: str
    pdf: bytes | None


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

    async def printed(self, ready: Ready, has: Callable[[str], bool]) -> Printed:
        """Sign and print a document, unless the caller `has` the one with its tag.

        Raises Breach when the log is not intact, and Problem when there are too many documents, or when it cannot be
        printed, as with a bad logo.
        """
        try:
            printed = await self._run(lambda: self._printed(ready, has))
        except CannotPrint as problem:
            _log.error("a document cannot be printed: %s", problem)
            raise Problem(
                "document_unavailable",
                "The document cannot be printed. An operator finds the reason in the log of the service.",
                retry_after=10,
            ) from problem
        if printed.pdf is not None:
            self._keep(printed.tag, printed.pdf)
        return printed

    def _printed(self, ready: Ready, has: Callable[[str], bool]) -> Printed:
        signed = sign_document(ready.kind, ready.evident, ready.claims)
        tag = f'"{sha256(signed.attachment).hexdigest()[:32]}"'
        if has(tag):
            return Printed(tag, None)
        kept = self._kept.get(tag)
        return Printed(tag, kept or finished(ready.kind, ready.evident, ready.claims, signed, self._folders))

    def _keep(self, tag: str, pdf: bytes) -> None:
        """Keep a PDF for those who ask for it again, unless it is large."""
        if len(pdf) <= LARGEST_KEPT:
            self._kept[tag] = pdf
            self._kept.move_to_end(tag)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)

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
