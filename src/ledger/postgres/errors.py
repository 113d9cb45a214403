"""Groups of database errors that mean more than a failed statement."""

import psycopg
from psycopg.errors import DuplicatePreparedStatement, InvalidSqlStatementName, ReadOnlySqlTransaction

NOT_OUR_SESSION = (InvalidSqlStatementName, DuplicatePreparedStatement)
"""A prepared statement is missing, or already exists: a pooler has moved the connection to another session."""

LOST = (psycopg.OperationalError, psycopg.InterfaceError, ReadOnlySqlTransaction, *NOT_OUR_SESSION)
"""The errors of a lost connection, or of a database that cannot continue. The outcome of the statement is unknown.

psycopg and its pool turn every socket error into one of these. So an OSError is never a lost connection: it is an
unreadable file, or another problem of this machine.
"""
