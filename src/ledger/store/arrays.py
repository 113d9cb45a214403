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
_LENGTHS = [pack(">i", size) for size in range(4_096)]

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
    parts = [_NULL if value is None else _sized(value.encode()) for value in values]
    return TextArray(_array(_TEXT, len(parts), b"".join(parts)))


def byteas(values: Sequence[bytes | None]) -> ByteaArray:
    """Bytes, or None, as bytea[]."""
    parts = [_NULL if value is None else _sized(value) for value in values]
    return ByteaArray(_array(_BYTEA, len(parts), b"".join(parts)))


def bigints(values: Sequence[int]) -> BigintArray:
    """Integers as bigint[]."""
    parts = [number for value in values for number in (8, value)]
    return BigintArray(_array(_INT8, len(values), pack(">" + "iq" * len(values), *parts)))


def integers(values: Sequence[int | None]) -> IntegerArray:
    """Integers, or None, as integer[]."""
    parts = [_NULL if value is None else pack(">ii", 4, value) for value in values]
    return IntegerArray(_array(_INT4, len(parts), b"".join(parts)))


def _sized(data: bytes) -> bytes:
    size = len(data)
    return (_LENGTHS[size] if size < 4_096 else pack(">i", size)) + data


def _array(element: int, count: int, packed: bytes) -> bytes:
    if not count:
        return pack(">iii", 0, 0, element)
    return _HEADER.pack(1, 1, element, count, 1) + packed


def _register() -> None:
    for kind, oid in ((TextArray, 1009), (ByteaArray, 1001), (BigintArray, 1016), (IntegerArray, 1007)):
        dumper = type(f"{kind.__name__}Dumper", (_PackedDumper,), {"oid": oid})
        adapters.register_dumper(kind, dumper)


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


_register()
