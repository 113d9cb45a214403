"""The envelope of what the ledger signs for others to check: a body and its signature, in exactly one spelling.

The reader takes a text only if it is, byte for byte, what the writer makes of what was read. So whatever else a text
could say, in another spelling or beside what is known, is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import orjson

from ledger.proof.walk import Breach, Place

ContentT = TypeVar("ContentT")


class Opened(NamedTuple, Generic[ContentT]):
    """What was read from an envelope, not yet verified: the content, the bytes that are signed, and the signature."""

    content: ContentT
    body: bytes
    signature: str


@dataclass(frozen=True, slots=True)
class Envelope(Generic[ContentT]):
    """How one kind of content is enclosed.

    `member` is the name of its body, and `formats` what the body may say that it is. `write` makes the text of a body
    and a signature; `body_of` makes the bytes of a content, and `content_of` the content of the members of a body.
    """

    member: str
    formats: tuple[str, ...]
    write: Callable[[bytes, str], bytes]
    body_of: Callable[[ContentT], bytes]
    content_of: Callable[[dict[str, Any]], ContentT]

    def opened(self, text: bytes, place: str, name: str) -> Opened[ContentT]:
        """Read a text. Raises Breach of `place`, which calls it `name`, unless it is what `write` makes."""
        try:
            whole = orjson.loads(text)
            signature, members = whole["signature"], whole[self.member]
            if type(signature) is not str or members["format"] not in self.formats:
                raise ValueError("it is of another format, such as that of a newer version")
            content = self.content_of(members)
            body = self.body_of(content)
        except Exception as error:  # a changed text may fail in any way
            why = f"it has no member {error}" if isinstance(error, KeyError) else str(error)
            raise Breach(place, Place(), f"{name} cannot be read: {why}") from error
        if self.write(body, signature) != text:
            raise Breach(place, Place(), f"{name} is not spelled as this program spells it: it was changed")
        return Opened(content, body, signature)
