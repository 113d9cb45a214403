"""The attachment of a PDF that this program made, found again without a PDF library.

A PDF is made again from its attachment and compared byte for byte, so this reader need not understand any other PDF: it
takes the one embedded file as this program's printer writes it, with limits on everything.
"""

import re
import zlib

from audit.documents.document import LARGEST
from ledger.proof.walk import Breach, Place

BEGIN = b"%PDF-"
"""The beginning of every PDF."""
LARGEST_PDF = 2 * LARGEST
"""The size of the largest PDF that is read, in bytes."""
_TIGHTEST = 50
"""How many bytes one byte of an attachment may become. A proof is full of hashes, which hardly shrink: what
shrinks more is made to fill the memory."""
_EMBEDDED = re.compile(
    rb"\n<</Length (\d{1,9})/Type/EmbeddedFile(/Filter/FlateDecode)?/Subtype/application#2Fjson"
    rb"/Params<</Size (\d{1,9})/ModDate\(D:\d{14}Z\)>>>>\nstream\n"
)


def attachment_of(pdf: bytes) -> bytes:
    """The attached proof. Raises Breach unless there is exactly one."""
    found = list(_EMBEDDED.finditer(pdf))
    if len(found) != 1:
        raise _wrong(f"it has {len(found)} proofs attached as this program attaches the one of a document")
    length, filtered, size = int(found[0][1]), found[0][2], int(found[0][3])
    if size > min(LARGEST, _TIGHTEST * length):
        raise _wrong("its attached proof is larger than one can be")
    stream = pdf[found[0].end() : found[0].end() + length]
    content = _inflated(stream, size) if filtered else stream
    if len(content) != size:
        raise _wrong("its attached proof cannot be read")
    return content


def _inflated(stream: bytes, size: int) -> bytes:
    """At most one byte more than was announced, however much the stream would become."""
    try:
        return zlib.decompressobj().decompress(stream, size + 1)
    except zlib.error as error:
        raise _wrong(f"its attached proof cannot be read: {error}") from error


def _wrong(problem: str) -> Breach:
    return Breach("document", Place(), problem)
