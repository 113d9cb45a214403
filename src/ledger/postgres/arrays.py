"""Packs whole columns as binary PostgreSQL arrays.

The driver packs arrays value by value and determines the type of each; here a whole column has one known type, which is
much faster. The append function takes its rows as arrays, and projections write only arrays. The format is that of
PostgreSQL's array_send.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct, pack
from typing import cast

from psycopg import adapters
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER = Struct(">iiiii")  # dimensions, null flag, element type, length, lower bound
_NULL = b"\xff\xff\xff\xff"
_BIGINT, _INTEGER = Struct(">q"), Struct(">i")


class _Lengths(dict[int, bytes]):
    def __missing__(self, length: int) -> bytes:
        return pack(">i", length)


LENGTHS = _Lengths((length, pack(">i", length)) for length in range(4_096))
"""Packed lengths, by length; those of long values are packed when they are asked for."""

_TEXT, _BYTEA, _INT8, _INT4, _TIMESTAMPTZ = 25, 17, 20, 23, 1184
_MICROSECOND = timedelta(microseconds=1)
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MAX_BIGINT = 2**63 - 1


class TextArray(bytes):
    """A packed text[]."""


class ByteaArray(bytes):
    """A packed bytea[]."""


class BigintArray(bytes):
    """A packed bigint[]."""


class IntegerArray(bytes):
    """A packed integer[]."""


class MomentArray(bytes):
    """A packed timestamptz[]."""


def texts(values: Sequence[str | None]) -> TextArray:
    """Strings, or None, as text[]."""
    if values.count(None) == len(values):
        return TextArray(
            _HEADER.pack(1, 1, _TEXT, len(values), 1) + _NULL * len(values) if values else _array(_TEXT, ())
        )
    return TextArray(_array(_TEXT, [None if value is None else value.encode() for value in values]))


def byteas(values: Sequence[bytes | None]) -> ByteaArray:
    """Bytes, or None, as bytea[]."""
    return ByteaArray(_array(_BYTEA, values))


def bigints(values: Sequence[int | None]) -> BigintArray:
    """Integers, or None, as bigint[]. Raises struct.error for an integer that is out of range."""
    return BigintArray(_array_of_8(_INT8, values))


def numerics(values: Sequence[int]) -> BigintArray | TextArray:
    """Integers of any size, for a parameter that the statement casts to numeric[]: sums may exceed a bigint."""
    if values and (max(values) > _MAX_BIGINT or min(values) < -_MAX_BIGINT):
        return texts([str(value) for value in values])
    return bigints(values)


def moments(values: Sequence[datetime | None]) -> MomentArray:
    """Moments, or None, as timestamptz[]."""
    return MomentArray(_array_of_8(_TIMESTAMPTZ, [None if value is None else _moment(value) for value in values]))


def _moment(value: datetime) -> int:
    return (value - _POSTGRES_EPOCH) // _MICROSECOND


def integers(values: Sequence[int | None]) -> IntegerArray:
    """Integers, or None, as integer[]."""
    return IntegerArray(_array(_INT4, [None if value is None else _INTEGER.pack(value) for value in values]))


def _array_of_8(element: int, values: Sequence[int | None]) -> bytes:
    """An array of eight-byte values. Without nulls, all lengths and values are packed in one call."""
    if not values or None in values:
        return _array(element, [None if value is None else _BIGINT.pack(value) for value in values])
    parts = [8] * (2 * len(values))
    parts[1::2] = cast("Sequence[int]", values)
    return _HEADER.pack(1, 0, element, len(values), 1) + pack(">" + "iq" * len(values), *parts)


def _array(element: int, values: Sequence[bytes | None]) -> bytes:
    if not values:
        return pack(">iii", 0, 0, element)
    header = _HEADER.pack(1, 1, element, len(values), 1)
    if None not in values:
        whole = cast("Sequence[bytes]", values)
        lengths = set(map(len, whole))
        if len(lengths) == 1:  # hashes, fingerprints, names of types: one join in place of a step for each
            length = LENGTHS[lengths.pop()]
            return header + length + length.join(whole)
    return header + b"".join([_NULL if value is None else LENGTHS[len(value)] + value for value in values])


def _register() -> None:
    oids = {TextArray: 1009, ByteaArray: 1001, BigintArray: 1016, IntegerArray: 1007, MomentArray: 1185}
    for kind, oid in oids.items():
        dumper = type(f"{kind.__name__}Dumper", (_PackedDumper,), {"oid": oid})
        adapters.register_dumper(kind, dumper)


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


_register()
