"""PostgreSQL arrays in binary, packed in one go.

The driver packs arrays value by value and asks of each what it is; here a whole column is known to be of one type, and
the append function takes eight of them. The format is that of array_send in PostgreSQL.
"""

from collections.abc import Sequence
from struct import Struct, pack

from psycopg import adapters
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER = Struct(">iiiii")  # dimensions, whether there are nulls, type of the elements, length, lower bound
_NULL = b"\xff\xff\xff\xff"
_BIGINT, _INTEGER = Struct(">q"), Struct(">i")
_SHORT = 4_096
_LENGTHS = [pack(">i", size) for size in range(_SHORT)]

_TEXT, _BYTEA, _INT8, _INT4 = 25, 17, 20, 23


class TextArray(bytes):
    """A packed text[]."""


class ByteaArray(bytes):
    """A packed bytea[]."""


class BigintArray(bytes):
    """A packed bigint[]."""


class IntegerArray(bytes):
    """A packed integer[]."""


def texts(values: Sequence[str | None]) -> TextArray:
    """Strings, or None, as text[]."""
    return TextArray(_array(_TEXT, [None if value is None else value.encode() for value in values]))


def byteas(values: Sequence[bytes | None]) -> ByteaArray:
    """Bytes, or None, as bytea[]."""
    return ByteaArray(_array(_BYTEA, values))


def bigints(values: Sequence[int]) -> BigintArray:
    """Integers as bigint[]."""
    return BigintArray(_array(_INT8, [_BIGINT.pack(value) for value in values]))


def integers(values: Sequence[int | None]) -> IntegerArray:
    """Integers, or None, as integer[]."""
    return IntegerArray(_array(_INT4, [None if value is None else _INTEGER.pack(value) for value in values]))


def _array(element: int, values: Sequence[bytes | None]) -> bytes:
    if not values:
        return pack(">iii", 0, 0, element)
    parts = [
        _NULL if value is None else (_LENGTHS[size] if (size := len(value)) < _SHORT else pack(">i", size)) + value
        for value in values
    ]
    return _HEADER.pack(1, 1, element, len(parts), 1) + b"".join(parts)


def _register() -> None:
    for kind, oid in ((TextArray, 1009), (ByteaArray, 1001), (BigintArray, 1016), (IntegerArray, 1007)):
        dumper = type(f"{kind.__name__}Dumper", (_PackedDumper,), {"oid": oid})
        adapters.register_dumper(kind, dumper)


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


_register()
