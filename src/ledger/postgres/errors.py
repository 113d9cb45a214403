"""Errors of PostgreSQL that mean more than a failed statement."""

import psycopg
from psycopg.errors import ReadOnlySqlTransaction

LOST = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    ReadOnlySqlTransaction,
    ConnectionError,
    TimeoutError,
    OSError,
)
"""What a lost connection, or a database that cannot go on, looks like. The outcome of what was sent is not known."""
