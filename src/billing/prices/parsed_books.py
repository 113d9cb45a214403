"""The price books that this process has parsed. A version never changes, so its content is validated once.

Books are known by the SHA-256 of their content, so those of several ledgers share them. They are bounded by their size
as JSON; those that nobody asked for longest go first.
"""

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

import orjson

from billing.prices.document import BookDocument

MOST_BYTES = 2 * 1024 * 1024
"""The size of all kept books as JSON: two of the largest, hundreds of usual ones. Memory has twenty times as much."""


class _Kept(NamedTuple):
    document: BookDocument
    size: int


class ParsedBooks:
    """Parses the contents of price books, and keeps them up to `most` bytes of JSON. Any thread may use it."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._books: OrderedDict[bytes, _Kept] = OrderedDict()
        self._lock, self._parsing = Lock(), Lock()

    @property
    def size(self) -> int:
        """The bytes of JSON of all kept books."""
        with self._lock:
            return sum(kept.size for kept in self._books.values())

    def get(self, sha256: bytes) -> BookDocument | None:
        """The book with a hash; None if it is not kept."""
        with self._lock:
            kept = self._books.get(sha256)
            if kept is None:
                return None
            self._books.move_to_end(sha256)
            return kept.document

    def parse(self, sha256: bytes, body: str) -> BookDocument:
        """The book with a hash, from its JSON unless it is kept by now. One book is parsed at a time.

        Raises pydantic.ValidationError. The largest take half a second.
        """
        with self._parsing:
            document = self.get(sha256)
            if document is None:
                document = BookDocument.model_validate(orjson.loads(body))
                self._keep(sha256, _Kept(document, len(body)))
            return document

    def _keep(self, sha256: bytes, kept: _Kept) -> None:
        with self._lock:
            self._books[sha256] = kept
            size = sum(one.size for one in self._books.values())
            while size > self._most and len(self._books) > 1:
                size -= self._books.popitem(last=False)[1].size


PARSED_BOOKS = ParsedBooks()
"""Those of this process."""
