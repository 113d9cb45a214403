"""The role of the service on servers like those of operators: created, granted its rights, and sufficient."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.components import COMPONENTS
from api.runtime.database import EMBEDDED_LOGIN, as_url
from api.runtime.embedded.lifetime import embedded_postgres
from ledger.domain.amounts import Balance
from ledger.domain.events import AccountOpened, CreditsGranted, Event
from ledger.postgres import migrations
from ledger.postgres.migrations import known_migrations, migrate
from ledger.postgres.privileges import privileges
from ledger.postgres.roles import SERVICE, set_up
from ledger.store.records.codec import encode
from projections.engine.builds import SQL
from projections.models.catalog import PROJECTIONS
from tests.api.stage import eventually
from tests.commands import Finished, command
from tests.conftest import SERVERS
from tests.dashboard.proxies import recipes
from tests.postgres import programs_of, quick_folder, without_disk
from tests.service import Service, running_service
from tests.store.samples import METADATA

_numbers = count(1)
SOCKET = "this process could connect as postgres, a superuser, through the Unix socket and without a password"
"""All servers of the tests admit whoever can enter the folder of the socket."""


class Bare:
    """A server without a ledger. The roles and databases of a test are removed afterwards."""

    def __init__(self, conninfo: str) -> None:
        self._whole = make_conninfo(conninfo, dbname="postgres")
        self.databases: list[str] = []

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self._whole, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def database(self, owner: str) -> str:
        """An empty database for its owner."""
        self.databases.append(f"bare_{next(_numbers)}")
        self.execute(f"CREATE DATABASE {self.databases[-1]} OWNER {owner}")
        return self.of(owner, self.databases[-1])

    def of(self, login: str, database: str) -> str:
        """A database of the server, for a login."""
        return make_conninfo(self._whole, dbname=database, user=login)

    def forget(self) -> None:
        """As it was."""
        self.execute(*(f"DROP DATABASE {name} WITH (FORCE)" for name in self.databases))
        with psycopg.connect(self._whole, autocommit=True) as connection:
            roles = connection.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_|postgres)'").fetchall()
        self.execute(f"DROP ROLE {', '.join(name for (name,) in roles)}")  # together: they are members of each other


@pytest.fixture(scope="module", params=SERVERS)
def its_server(request: pytest.FixtureRequest) -> Iterator[str]:
    programs = programs_of(request.param)
    if programs is None:
        pytest.skip("no PostgreSQL of the machine: tested on the embedded one alone")
    with quick_folder() as folder, embedded_postgres(folder, programs) as conninfo:
        without_disk(conninfo)
        yield conninfo


@pytest.fixture
def bare(its_server: str) -> Iterator[Bare]:
    server = Bare(its_server)
    yield server
    server.forget()


on_one_server = pytest.mark.parametrize("its_server", ["embedded"], indirect=True, scope="module")
"""For tests that do not depend on the version of the server."""


def run(database: str, *arguments: str, **settings: str) -> Finished:
    """A command of the program on a database."""
    given = {"DATABASE_URL": database and as_url(database), **settings}
    return command(None, *arguments, settings={f"CREDIT_LEDGER_{name}": value for name, value in given.items()})


def done(database: str, *arguments: str, **settings: str) -> str:
    """The output of a successful command."""
    finished = run(database, *arguments, **settings)
    assert finished.status == 0, (arguments, finished)
    return finished.out


def role(service: Service) -> Any:
    answer = service.get("/readyz")
    assert answer.status_code == 200
    return answer.json()["role"]


def test_many_at_once(bare: Bare) -> None:
    """Four ledgers of one server, each begun by two processes: one role, and every one of them has its rights."""
    bare.execute("CREATE ROLE maker LOGIN CREATEROLE")
    databases = [bare.database("maker") for _ in range(4)]

    def begin(conninfo: str) -> str | None:
        migrate(conninfo, COMPONENTS)
        return set_up(conninfo, COMPONENTS)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(begin, databases * 2)) == [None] * 8
    for database in databases:
        found = privileges(make_conninfo(database, options=f"-c role={SERVICE}"))
        assert found.could[0].startswith("maker owns ledger.events, ledger.identity, ledger.text_keys, the database")


def test_a_server_that_allows_no_role(bare: Bare, tmp_path: Path) -> None:
    """The service works with the rights of the owner, and logs a warning."""
    bare.execute("CREATE ROLE plain LOGIN")
    database = bare.database("plain")
    said = f"the service runs with the rights of its login: plain may not make the role {SERVICE}"
    assert done(database, "migrate").splitlines()[-1] == said
    assert done(database, "migrate").splitlines() == ["nothing to do", said]
    with running_service(database, tmp_path) as service:
        assert service.open_account(permanent=5)
        owns = "plain owns ledger.events, ledger.identity, ledger.text_keys, the database, the schema ledger"
        found = role(service)
        assert (found["session_user"], found["current_user"], found["append_only"]) == ("plain", "plain", False)
        assert found["could"][0] == owns
        warnings = [
            line for line in service.log.read_text().splitlines() if "has rights to change recorded events" in line
        ]
        assert len(warnings) == 1
        assert "WARNING" in warnings[0]
        assert f"plain may not make the role {SERVICE}; {owns}" in warnings[0]
    refused = run(database, "migrate", "--service-login", "app")
    assert refused.status == 1
    assert refused.err.startswith("credit-ledger: the login app cannot be made: ")


def test_a_role_that_an_administrator_made(bare: Bare) -> None:
    """The owner may create no roles. They grant rights on tables and builds."""
    bare.execute("CREATE ROLE plain LOGIN", f"CREATE ROLE {SERVICE}", f"CREATE ROLE app LOGIN IN ROLE {SERVICE}")
    database = bare.database("plain")
    said = done(database, "migrate").splitlines()[-1]
    assert said == f"the service runs with the rights of its login: its login may not take the role {SERVICE}"
    app = make_conninfo(database, user="app")
    with psycopg.connect(app) as connection:
        assert connection.execute("SELECT count(*) FROM ledger.events").fetchone() == (0,)
    assert done(app, "migrate") == "nothing to do\n", "the builds are the owner's, and the role may use them"
    bare.execute(f"GRANT {SERVICE} TO plain")
    assert done(database, "migrate") == "nothing to do\n"
    with psycopg.connect(database) as connection:
        connection.execute("ALTER TABLE ledger.events DISABLE TRIGGER never_changed")
    assert done(database, "migrate") == "enabled the trigger never_changed on ledger.events again\n"
    assert privileges(make_conninfo(app, options=f"-c role={SERVICE}")).append_only


@on_one_server
def test_the_manual_makes_an_owner_and_a_login_for_the_service(bare: Bare) -> None:
    """Its own text is run: the statements of a superuser, and the command of the owner."""
    [made, _] = [block for block in recipes("sql") if "CREATE ROLE" in block]
    [exported, line] = next(block for block in recipes("sh") if "--service-login" in block).splitlines()
    bare.execute(*made.strip().split(";\n"))
    bare.databases.append("ledger")
    named = conninfo_to_dict(exported.partition("=")[2])
    url = done(bare.of("ledger_owner", "ledger"), *line.split()[1:]).splitlines()[-2]
    assert (named["user"], named["dbname"]) == ("ledger_owner", "ledger")
    assert (urlsplit(url).path, parse_qs(urlsplit(url).query)["user"]) == ("/ledger", ["ledger_app"])
    assert done(url, "migrate") == "nothing to do\n", "the service is ready with it"


@on_one_server
def test_the_manual_has_an_administrator_make_the_role(bare: Bare) -> None:
    [_, made] = [block for block in recipes("sql") if "CREATE ROLE" in block]
    bare.execute("CREATE ROLE ledger_owner LOGIN", *made.strip().split(";\n"))
    database = bare.database("ledger_owner")
    assert "with the rights of its login" not in done(database, "migrate")
    with psycopg.connect(make_conninfo(database, user="ledger_app")) as connection:
        assert connection.execute("SELECT count(*) FROM ledger.events").fetchone() == (0,)


@contextmanager
def two_logins(bare: Bare) -> Iterator[tuple[str, str]]:
    """An owner who may create roles, and the URL for the service."""
    bare.execute("CREATE ROLE maker LOGIN CREATEROLE", "ALTER ROLE maker SET log_statement = 'ddl'")
    owner = bare.database("maker")
    url, shown_once = done(owner, "migrate", "--service-login", "app").splitlines()[-2:]
    assert "only time" in shown_once
    assert url.startswith("postgresql:///")
    yield owner, url


def test_a_whole_life(bare: Bare, tmp_path: Path) -> None:
    """All that the program does, as a login that only appends and reads."""
    usage = tmp_path / "usage.csv"
    usage.write_text("customer,n\nann,5\nann,7\n")
    imported = [
        "import",
        str(usage),
        "--account",
        "{customer}",
        "--amount",
        "n",
        "--open-permanent",
        "100",
        "--yes",
        "--json",
    ]
    with two_logins(bare) as (owner, url):
        with running_service(url, tmp_path) as service:
            assert role(service) == {
                "session_user": "app",
                "current_user": SERVICE,
                "append_only": False,
                "could": [SOCKET.replace("postgres, a superuser", "maker, who owns the ledger"), SOCKET],
            }
            assert "rights to change" not in service.log.read_text()
            account = service.open_account(permanent=100, subscription=50)
            path = f"/v1/accounts/{account}"
            body = {"amount": 60, "task_id": "t", "description": "a text"}
            deducted = service.post(f"{path}/deductions", body).json()
            assert service.post(f"{path}/holds", {"amount": 5}, key="h").status_code == 201
            minimum = deducted["position"] + 1
            eventually(lambda: service.get(f"{path}/history", min_position=minimum).status_code == 200)
            for command in (imported, ["rebuild"], ["check", "--all"], ["keys", "create", "k", "--scope", "admin"]):
                done(url, *command)
            done(url, "keys", "revoke", json.loads(done(url, "keys", "list", "--json"))[0]["prefix"])
            done(url, "erase", "--yes", account)
            done(url, "checkpoints", "sign", DATA_DIR=str(tmp_path / "data"))
            assert service.get(f"{path}/balance").json()["total"] == 90
            assert "ERROR" not in service.log.read_text()
        assert done(url, "migrate").splitlines() == ["nothing to do"]
        with psycopg.connect(owner) as connection:
            owners = (
                "SELECT DISTINCT nspowner::regrole::text FROM pg_namespace WHERE starts_with(nspname, 'projection_')"
            )
            assert connection.execute(owners).fetchall() == [("maker",)]
        assert "exists already" in done(owner, "migrate", "--service-login", "app")


@on_one_server
def test_the_owner_migrates_and_the_service_does_not(bare: Bare) -> None:
    with two_logins(bare) as (owner, url):
        said = server_log(owner)
        assert 'CREATE ROLE "app" LOGIN PASSWORD' in said
        assert parse_qs(urlsplit(url).query)["password"][0] not in said
        empty = bare.database("maker")
        service = make_conninfo(empty, user="app")
        refused = run(service, "keys", "list")
        assert refused.status == 1
        assert refused.err.startswith("credit-ledger: the database needs migrations that app may not apply (")
        assert refused.err.count("\n") == 1
        two = "credit-ledger: CREDIT_LEDGER_OWNER_URL and CREDIT_LEDGER_DATABASE_URL name two databases\n"
        assert run(service, "keys", "list", OWNER_URL=as_url(owner)).err == two, "one that is empty"
        done(service, "keys", "list", OWNER_URL=as_url(empty))
        assert run(url, "keys", "list", OWNER_URL=as_url(empty)).err == two, "two that are whole"
    alone = run("", "keys", "list", DATABASE_URL="", OWNER_URL=as_url(owner))
    assert alone.err == "credit-ledger: CREDIT_LEDGER_OWNER_URL is set, and CREDIT_LEDGER_DATABASE_URL is not\n"


def server_log(conninfo: str) -> str:
    """The statements that the server logged."""
    return (Path(str(conninfo_to_dict(conninfo)["host"])).parent / "postgres.log").read_text()


FIRST = {"ledger": 1, "api": 2, "projections": 2}
"""How many migrations there were before the role."""


def test_a_ledger_from_before(tmp_path: Path, server_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On its own server, where everything belonged to the superuser: the next start sets it up, and it goes on."""
    before = [one for one in known_migrations(COMPONENTS) if int(one.name[:4]) <= FIRST.get(one.component, 0)]
    with monkeypatch.context() as patched, embedded_postgres(server_folder) as conninfo:
        patched.setattr(migrations, "known_migrations", lambda _: before)
        assert len(migrate(conninfo, COMPONENTS)) == 5
        _build_as_before(conninfo)
        _append_as_before(conninfo)
    settings = {"CREDIT_LEDGER_DATABASE_URL": "", "CREDIT_LEDGER_DATA_DIR": str(server_folder)}
    with running_service("", tmp_path, settings=settings) as service:
        expected = {"session_user": EMBEDDED_LOGIN, "current_user": SERVICE, "append_only": False, "could": [SOCKET]}
        assert role(service) == expected
        answer = service.post("/v1/accounts/ada/deductions", {"amount": 3, "task_id": "t"}).json()
        assert answer["balance_after"] == 7
        history = service.get("/v1/accounts/ada/history", min_position=answer["position"]).json()
        assert [entry["balance_after"] for entry in history["entries"]] == [7, 10]
        for command in (["rebuild", "balances"], ["check", "--all"]):
            done("", *command, DATA_DIR=str(server_folder))


def _build_as_before(conninfo: str) -> None:
    """An empty build of each projection, as the program made them itself."""
    with psycopg.connect(conninfo) as connection:
        for projection in PROJECTIONS:
            connection.execute(f"CREATE SCHEMA {projection.schema}".encode())
            connection.execute(f"SET LOCAL search_path TO {projection.schema}".encode())
            connection.execute(SQL["create_position"])
            connection.execute(projection.create)
            connection.execute("INSERT INTO checkpoint (version, position) VALUES (%s, 0)", [projection.version])


def _append_as_before(conninfo: str) -> None:
    """An account with ten credits, through the append function of then."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    ten = Balance(0, 10, 0, None)
    opened = AccountOpened(at, Balance(0, 0, 0, None), "ada")
    events: list[Event] = [opened, CreditsGranted(at, ten, "grt_2", "permanent", 10, "topup")]
    topics, states = zip(*(encode(event, METADATA) for event in events), strict=True)
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "SELECT ledger.append(ARRAY['ada','ada'], ARRAY[1,2]::bigint[], %s, %s, ARRAY[NULL,NULL],"
            " ARRAY[NULL,NULL], ARRAY[NULL,NULL]::bytea[], ARRAY[NULL,NULL]::integer[])",
            [list(topics), list(states)],
        )
