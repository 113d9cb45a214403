"""The database that a ledger moves into: whether it can take a ledger, before anything is changed there."""

from dataclasses import dataclass

from api.server_move.errors import CannotMove
from api.server_move.tables import SQL
from ledger.postgres.connecting import connect
from ledger.postgres.migrations import OLDEST_SERVER
from ledger.store import ledger_id_of


@dataclass(frozen=True, slots=True)
class Target:
    """What a database is like."""

    server: str
    """For people: `PostgreSQL 15.6`."""
    ledger_id: str | None
    """The ledger in it; None when there is none."""
    events: int


def look_at_target(conninfo: str) -> Target:
    """What the target is like. Raises CannotMove when it cannot take a ledger, MigrationError and psycopg.Error."""
    with connect(conninfo, autocommit=True) as connection:
        row = connection.execute(SQL["target"]).fetchone()
        assert row is not None
        version, encoding, read_only, may_create, login, name = row
        server = f"PostgreSQL {version // 10_000}.{version % 10_000}"
        if version < OLDEST_SERVER:
            raise CannotMove(f"the target is {server}; PostgreSQL 15 or later is needed")
        if encoding != "UTF8":
            raise CannotMove(f"the target stores texts as {encoding}: make a database with ENCODING 'UTF8'")
        if read_only:
            raise CannotMove("the target accepts no changes: name the primary")
        if not may_create:
            raise CannotMove(f"{login} may make no schemas there: GRANT CREATE ON DATABASE {name} TO {login}")
        there = connection.execute(SQL["has_events"]).fetchone() == (True,)
        last = connection.execute(SQL["events"]).fetchone() if there else None
    return Target(server, ledger_id_of(conninfo), last[0] if last else 0)


def require_free(target: Target, ledger_id: str) -> None:
    """Raise CannotMove if the target has another ledger with events."""
    if target.events and target.ledger_id != ledger_id:
        raise CannotMove("the target has another ledger already: make a new database for this one")
