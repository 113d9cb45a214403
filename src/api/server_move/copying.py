"""The copy: every row of every table, in one transaction on the server, which ends with a comparison of all rows.

A move that is killed leaves nothing on the server, because its transaction never ended. Rows go as text, the form that
all versions of PostgreSQL share, straight from one server to the other.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256

import psycopg
from psycopg import sql

from api.server_move.errors import CannotMove, NotEqual
from api.server_move.row_digest import RowDigest
from api.server_move.tables import SQL, Connection, Content, Table
from ledger.postgres.connecting import connect
from ledger.progress import Progress

PIECE = 2**16
"""Bytes that are sent at once."""
_SEEDED = frozenset({"ledger.checkpointing", "ledger.identity", "ledger.migrations", "ledger.topics"})
_SEEDED_IN_EACH = frozenset({"checkpoint", "definitions", "secrets"})
"""The tables in which migrations and builds put rows: those of the log, and those of these names in other schemas."""
_ENABLE = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}

Digests = Mapping[Table, RowDigest]
Reached = Callable[[int], None]
Buffer = bytes | bytearray | memoryview


@contextmanager
def open_for_move(conninfo: str) -> Iterator[Connection]:
    """A connection that writes values as every other one of a move does. Raises psycopg.Error."""
    with connect(conninfo, autocommit=True) as connection:
        connection.execute(SQL["session"])
        yield connection


@contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
    """Read the database as it is now, until the block ends."""
    connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
    with connection.transaction():
        yield


def rows_of(connection: Connection, content: Content) -> dict[Table, int]:
    """How many rows there are in each table that goes along."""
    counts = {}
    for table in content.copied:
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table.identifier)).fetchone()
        assert row is not None
        counts[table] = row[0]
    return counts


def require_empty(connection: Connection, content: Content) -> None:
    """Raise CannotMove if a database has more than its migrations put into it."""
    for table in content.tables:
        if str(table) in _SEEDED or (table.schema != "ledger" and table.name in _SEEDED_IN_EACH):
            continue
        if connection.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(table.identifier)).fetchone() is not None:
            raise CannotMove(f"the target is not empty: {table} has rows. Make a new database for the ledger")


def copy(source: Connection, target: Connection, content: Content, progress: Progress) -> Digests:
    """Copy all rows and sequences, and compare them, in one transaction on the target. Raises NotEqual."""
    total = sum(rows_of(source, content).values())
    with target.transaction(), _without_triggers(target, content):
        progress.begin("copying", total, "rows")
        digests = {table: _copied(source, target, table, reach) for table, reach in _counting(content, progress)}
        for sequence in content.sequences:
            _copy_sequence(source, target, sequence)
        progress.begin("comparing", total, "rows")
        read = {table: _read(target, table, reach) for table, reach in _counting(content, progress)}
        _require_equal(digests, read)
    return digests


def compare(source: Connection, target: Connection, content: Content, progress: Progress) -> Digests:
    """Compare all rows and sequences, and change nothing. Raises NotEqual."""
    total = sum(rows_of(source, content).values())
    progress.begin("reading", total, "rows")
    one = {table: _read(source, table, reach) for table, reach in _counting(content, progress)}
    progress.begin("comparing", total, "rows")
    with one_moment(target):
        other = {table: _read(target, table, reach) for table, reach in _counting(content, progress)}
        differing = [one for one in content.sequences if _state(source, one) != _state(target, one)]
    _require_equal(one, other)
    if differing:
        raise NotEqual(f"{differing[0].as_string()} differs on the server")
    return one


def overall(digests: Digests) -> str:
    """One digest of all tables, in hexadecimal digits."""
    lines = sorted(f"{table} {digest.rows} {digest}\n" for table, digest in digests.items())
    return sha256("".join(lines).encode()).hexdigest()


def _require_equal(one: Digests, other: Digests) -> None:
    differing = sorted(str(table) for table, digest in one.items() if digest != other[table])
    if differing:
        raise NotEqual(f"the server does not have the rows of the embedded database in {', '.join(differing)}")


def _counting(content: Content, progress: Progress) -> Iterator[tuple[Table, Reached]]:
    """The tables, each with a call for the number of its rows that are done."""
    before = 0
    for table in content.copied:
        last = 0

        def reach(done: int, before: int = before) -> None:
            nonlocal last
            last = done
            progress.reach(before + done)

        yield table, reach
        before += last


def _copied(source: Connection, target: Connection, table: Table, reach: Reached) -> RowDigest:
    """Replace the rows of a table on the target by those of the source."""
    digest = RowDigest()
    target.execute(sql.SQL("DELETE FROM {}").format(table.identifier))  # what its migrations put into it
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(table.identifier, _columns(table))
    with target.cursor() as cursor, cursor.copy(into) as copied:
        for piece in _pieces(_rows(source, table), digest):
            copied.write(piece)
            reach(digest.rows)
    return digest


def _read(connection: Connection, table: Table, reach: Reached) -> RowDigest:
    digest = RowDigest()
    for _ in _pieces(_rows(connection, table), digest):
        reach(digest.rows)
    return digest


def _rows(connection: Connection, table: Table) -> Iterator[Buffer]:
    """The rows of a table in the text format of COPY. The server sends each in a message of its own."""
    out = sql.SQL("COPY {} ({}) TO STDOUT").format(table.identifier, _columns(table))
    with connection.cursor() as cursor, cursor.copy(out) as rows:
        yield from rows


def _pieces(rows: Iterable[Buffer], digest: RowDigest) -> Iterator[bytes]:
    """Rows in pieces of some size; each row goes into the digest."""
    piece: list[Buffer] = []
    size = 0
    for row in rows:
        digest.add(row)
        piece.append(row)
        size += len(row)
        if size >= PIECE:
            yield b"".join(piece)
            piece, size = [], 0
    yield b"".join(piece)


def _columns(table: Table) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, table.columns))


def _state(connection: Connection, sequence: sql.Identifier) -> tuple[int, bool]:
    row = connection.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(sequence)).fetchone()
    assert row is not None
    return row[0], row[1]


def _copy_sequence(source: Connection, target: Connection, sequence: sql.Identifier) -> None:
    last, called = _state(source, sequence)
    target.execute(SQL["set_sequence"], {"sequence": sequence.as_string(), "last": last, "called": called})
    if _state(target, sequence) != (last, called):
        raise NotEqual(f"{sequence.as_string()} differs on the server")


@contextmanager
def _without_triggers(target: Connection, content: Content) -> Iterator[None]:
    """Switch the triggers of all tables off, and on again as they were. Only this transaction sees them off.

    Some refuse changes, and the ledger gets another identity here; others would give rows new numbers.
    """
    found = target.execute(SQL["triggers"], {"schemas": list(content.schemas)}).fetchall()
    for table, name, _ in found:
        target.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}".encode())
    yield
    for table, name, how in found:
        target.execute(f"ALTER TABLE {table} {_ENABLE[how]} TRIGGER {name}".encode())
