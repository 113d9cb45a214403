"""The whole move, in the order in which one thing stands on another. The last step closes the embedded database.

Killed at any moment, it leaves a ledger that serves from where it was: the copy is one transaction, and the mark that
closes the embedded database is written when everything is proven. The same command then begins anew, or finds the copy
complete and goes on with the proof.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from api.runtime.database import Database, embedded_alone, migrated, unchanged_database
from api.runtime.embedded.moved import MovedLedger, mark_moved, moved_ledger, refuse_moved
from api.runtime.postgres_url import without_password
from api.runtime.settings import Settings, variable
from api.server_move.copying import (
    Digests,
    compare,
    copy,
    one_moment,
    open_for_move,
    overall,
    require_empty,
    rows_of,
)
from api.server_move.errors import CannotMove, NotEqual
from api.server_move.proof import prove, sign
from api.server_move.tables import SQL, Connection, Content, Schemas, content_of, require_same, schemas_of
from api.server_move.target import Target, look_at_target, require_free
from ledger.progress import Progress
from ledger.store import ledger_id_of
from projections.engine.builds import prepare


@dataclass(frozen=True, slots=True)
class Plan:
    """What a move would do."""

    ledger_id: str
    server: str
    rows: Mapping[str, int]
    """The number of rows in each table."""
    size: int
    """Bytes of the tables and their indexes in the embedded database."""
    there_already: bool
    """Whether the target has a copy of this ledger, which would be compared."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move has done."""

    ledger_id: str
    server: str
    url: str
    """Of the database that has the ledger now, without a password."""
    rows: Mapping[str, int]
    digest: str
    """One digest of all rows, in hexadecimal digits."""
    signed: int
    """The number of events, all of which a signed checkpoint covers."""
    accounts: int
    """The number of accounts that were folded again."""
    unbuilt: tuple[str, ...]
    """The projections that the first start on the server builds anew."""
    shortfall: str | None
    """Why the service will run with the rights of its login; None when it has a role of its own."""


def plan(settings: Settings, url: SecretStr) -> Plan:
    """What a move would do. Nothing changes, and the service may go on. Raises CannotMove and psycopg.Error."""
    _require_embedded(settings)
    with unchanged_database(settings) as conninfo, open_for_move(_as_owner(conninfo)) as source:
        target, ledger_id = _suitable(conninfo, url)
        content = content_of(source, schemas_of(source))
        with one_moment(source):
            rows = rows_of(source, content)
            size = source.execute(SQL["size"], {"schemas": list(content.schemas)}).fetchone()
    counted = {str(table): count for table, count in rows.items()}
    there = target.ledger_id == ledger_id
    return Plan(ledger_id, target.server, counted, size[0] if size else 0, there)


def move(settings: Settings, url: SecretStr, progress: Progress) -> Moved:
    """Move the embedded ledger into the database of a URL, and close the embedded one.

    Raises CannotMove, NotEqual, EmbeddedPostgresError, MigrationError, WrongSetting and psycopg.Error. The embedded
    database is as before then.
    """
    _require_embedded(settings)
    with embedded_alone(settings) as source:
        found, ledger_id = _suitable(source.owner, url)
        with migrated(settings.model_copy(update={"database_url": url, "owner_url": None})) as target:
            prepare(source.service)
            prepare(target.service)
            schemas, signed, digests = _carry(settings, source, target, progress)
            accounts = prove(settings, target.service, signed, progress)
            shown = without_password(url.get_secret_value())
            rows = {str(table): digest.rows for table, digest in digests.items()}
            mark_moved(
                settings.data_dir, MovedLedger(ledger_id, shown, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", signed)
            )
    return Moved(
        *(ledger_id, found.server, shown, rows, overall(digests), signed, accounts, schemas.unbuilt, target.shortfall)
    )


def _require_embedded(settings: Settings) -> None:
    """Raise CannotMove unless the settings name an embedded database that is still in use."""
    if settings.database_url is not None:
        raise CannotMove(f"{variable('database_url')} is set, and `move` is for the embedded database")
    if not (settings.data_dir / "postgres").is_dir():
        raise CannotMove(f"there is no embedded database in {settings.data_dir}")
    if moved_ledger(settings.data_dir) is not None:
        refuse_moved(settings.data_dir)


def _as_owner(conninfo: str) -> str:
    """The embedded database as its superuser, who may read everything."""
    return make_conninfo(conninfo, options="")


def _suitable(source: str, url: SecretStr) -> tuple[Target, str]:
    """What the target is like, and the id of the ledger. Raises CannotMove."""
    ledger_id = ledger_id_of(source)
    if ledger_id is None:
        raise CannotMove("the embedded database has no ledger yet")
    target = look_at_target(url.get_secret_value())
    require_free(target, ledger_id)
    return target, ledger_id


def _carry(settings: Settings, source: Database, target: Database, progress: Progress) -> tuple[Schemas, int, Digests]:
    """Sign, copy and compare; or compare only, when an earlier run has copied everything."""
    with _reserved(source.owner, target.owner) as (one, other):
        schemas = schemas_of(one)
        content, found = content_of(one, schemas), content_of(other, schemas)
        require_same(content, found)
        signed = sign(settings, source.service)
        with one_moment(one):
            if ledger_id_of(target.owner) == ledger_id_of(source.owner):
                return schemas, signed, _compare(one, other, content, progress)
            require_empty(other, found)
            digests = copy(one, other, content, progress)
        other.execute("ANALYZE")  # or the first queries are planned for empty tables
    return schemas, signed, digests


def _compare(one: Connection, other: Connection, content: Content, progress: Progress) -> Digests:
    try:
        return compare(one, other, content, progress)
    except NotEqual as problem:
        raise NotEqual(
            f"the target has a copy of this ledger that was changed since, or is older ({problem}): "
            "make a new database for the ledger"
        ) from problem


@contextmanager
def _reserved(source: str, target: str) -> Iterator[tuple[Connection, Connection]]:
    """Connections to both databases, while no other move uses either. Raises CannotMove."""
    with open_for_move(source) as one, open_for_move(target) as other:
        if one.execute(SQL["reserve"]).fetchone() != (True,) or other.execute(SQL["reserve"]).fetchone() != (True,):
            raise CannotMove("the target is this ledger itself, or another move to it is not over yet")
        if others := [name for (name,) in one.execute(SQL["others"])]:
            raise CannotMove(f"{', '.join(others)} still uses the embedded database: end it first")
        yield one, other
