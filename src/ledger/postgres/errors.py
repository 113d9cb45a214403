"""Errors of PostgreSQL that mean more than a failed statement."""

import psycopg
from psycopg.errors import DuplicatePreparedStatement, InvalidSqlStatementName, ReadOnlySqlTransaction

NOT_OUR_SESSION = (InvalidSqlStatementName, DuplicatePreparedStatement)
"""A prepared statement that is not there, or was there before: a pooler has put the connection on another session."""

LOST = (psycopg.OperationalError, psycopg.InterfaceError, ReadOnlySqlTransaction, *NOT_OUR_SESSION)
"""What a lost connection, or a database that cannot go on, looks like. The outcome of what was sent is not known.

psycopg and its pool make one of these of every error of a socket, so an OSError is never a lost connection: it is a
file that cannot be read, or something else that is wrong here.
"""
