"""What a hostile service role says to the database, and the trap that it plants: what whoever runs it gives away.

A trap returns to the rights of the login and gives everybody a right that only the owner can give. Some statements
succeed, such as those that make temporary objects; what counts is that no trap runs with the rights of the owner.
"""

from collections.abc import Iterator
from itertools import product

from ledger.postgres.roles import SERVICE

MARK = "TRUNCATE"
"""The right on ledger.events that a trap gives to everybody."""

GIVES_AWAY = f"""
BEGIN
    BEGIN RESET ROLE; EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN GRANT {MARK} ON TABLE ledger.events TO PUBLIC; EXCEPTION WHEN OTHERS THEN NULL; END;
    RETURN {{}};
END
"""
_FUNCTIONS = {
    "quote_ident(text)": ("text", "$1"),
    "quote_ident(name)": ("text", "$1::text"),
    "quote_literal(text)": ("text", "$1"),
    "format(text, VARIADIC text[])": ("text", "$1"),
    "now()": ("timestamptz", "clock_timestamp()"),
    "to_regclass(text)": ("regclass", "NULL"),
    "to_regrole(text)": ("regrole", "NULL"),
    "hashtextextended(text, integer)": ("bigint", "1"),
    "pg_advisory_xact_lock(bigint)": ("bigint", "1"),
    "set_config(text, text, boolean)": ("text", "$2"),
    "starts_with(name, text)": ("boolean", "true"),
    "cardinality(bytea[])": ("integer", "1"),
    "sha256(bytea)": ("bytea", "$1"),
    "convert_from(bytea, text)": ("text", "'{{}}'"),
    "genesis()": ("bytea", "'x'"),
    "append(text)": ("text", "$1"),
    "trap()": ("trigger", "NEW"),
}
"""Functions that statements of the program or of the owner's functions call, or almost call: result, and what it is."""
_OPERATORS = ("=", "<>", "||", "->>", "<@")
_TYPES = ("text", "bytea", "name", "bigint")
_NAMED_LIKE_OURS = ("events", "migrations", "checkpoint", "definitions", "accounts", "text_keys", "api_keys", "json")
_TABLES = (
    "ledger.events",
    "ledger.migrations",
    "ledger.snapshots",
    "ledger.subtrees",
    "people.api_keys",
    "measures.refusals",
    "billing.catalog",
    "projections.drift",
    "projections.definitions",
    "projection_balances.accounts",
    "projection_history.checkpoint",
)


def statements(owner: str, login: str, database: str) -> Iterator[str]:
    """All statements, in the order in which they may help each other."""
    schemas = [owner, login, SERVICE, "postgres", "evil", "pg_evil", "projection_evil", "projection_history_next"]
    yield from (f'CREATE SCHEMA "{name}"' for name in (*schemas, "$user"))
    places = [*schemas, "public", "pg_temp", "ledger", "people", "billing", "projections", "projection_balances"]
    for place, (signature, (result, value)) in product(places, _FUNCTIONS.items()):
        body = GIVES_AWAY.format(value)
        yield f'CREATE FUNCTION "{place}".{signature} RETURNS {result} LANGUAGE plpgsql AS $trap${body}$trap$'
    for place, name, kind in product(places, _OPERATORS, _TYPES):
        body = GIVES_AWAY.format("true")
        operator = f'"{place}".op_{kind}({kind}, {kind})'
        yield f"CREATE FUNCTION {operator} RETURNS boolean LANGUAGE plpgsql AS $trap${body}$trap$"
        yield (
            f'CREATE OPERATOR "{place}".{name} (FUNCTION = "{place}".op_{kind}, LEFTARG = {kind}, RIGHTARG = {kind})'
        )
    for place in places:
        yield f"CREATE TYPE \"{place}\".evil AS ENUM ('one')"
        yield f'CREATE CAST (text AS "{place}".evil) WITH INOUT AS IMPLICIT'
        yield f'CREATE CAST ("{place}".evil AS text) WITH FUNCTION "{place}".quote_ident(text) AS IMPLICIT'
        yield f'CREATE DOMAIN "{place}".timestamptz AS text CHECK ("{place}".quote_ident(VALUE) IS NOT NULL)'
    yield "CREATE CAST (bytea AS json) WITHOUT FUNCTION AS IMPLICIT"
    yield from (f"CREATE TEMPORARY TABLE {name} (n integer)" for name in _NAMED_LIKE_OURS)
    for table in _TABLES:
        yield f"CREATE TRIGGER trap BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION pg_temp.trap()"
        yield f"CREATE RULE trap AS ON INSERT TO {table} DO ALSO SELECT pg_temp.quote_ident('x'::text)"
        yield f"ALTER TABLE {table} ADD COLUMN trap text DEFAULT pg_temp.quote_ident('x'::text)"
        yield f"ALTER TABLE {table} ADD CONSTRAINT trap CHECK (pg_temp.quote_ident('x'::text) IS NOT NULL)"
        yield f"CREATE INDEX ON {table} ((pg_temp.quote_ident('x'::text)))"
        yield f"CREATE POLICY trap ON {table} USING (pg_temp.quote_ident('x'::text) IS NOT NULL)"
        yield f"ALTER TABLE {table} OWNER TO {SERVICE}"
        yield f"DROP TABLE {table} CASCADE"
    yield from _of_the_catalog(owner, login, database)
    yield from _through_our_functions()


def _of_the_catalog(owner: str, login: str, database: str) -> Iterator[str]:
    yield "CREATE OR REPLACE VIEW ledger.event_log AS SELECT pg_temp.quote_ident('x'::text)"
    yield "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'"
    yield "CREATE EVENT TRIGGER trap ON ddl_command_end EXECUTE FUNCTION pg_temp.trap()"
    for name in ("append", "destroy_keys", "lock_appends"):
        yield f'ALTER FUNCTION ledger.{name} SET search_path = "{owner}", pg_temp'
    for name in ("make_build", "drop_build", "switch_builds", "analyze_build"):
        yield f'ALTER FUNCTION projections.{name} SET search_path = "{owner}", pg_temp'
    for role in (owner, login, SERVICE, "ALL"):
        yield f'ALTER ROLE {role} SET search_path = "$user", pg_temp, public, pg_catalog'
        yield f'ALTER ROLE {role} IN DATABASE {database} SET search_path = "$user", pg_temp, public, pg_catalog'
    yield f'ALTER DATABASE {database} SET search_path = "$user", pg_temp, public, pg_catalog'
    yield f"ALTER DATABASE {database} OWNER TO {SERVICE}"
    yield f"GRANT {owner} TO {login}"
    yield f"SET ROLE {owner}"
    yield f"SET SESSION AUTHORIZATION {owner}"
    yield "SET session_replication_role = replica"
    yield f"ALTER SCHEMA projection_balances RENAME TO {owner}"
    yield "CREATE EXTENSION plperlu"
    yield "CREATE LANGUAGE plpythonu"
    yield "COPY (SELECT 1) TO PROGRAM 'true'"
    yield f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT ALL ON TABLES TO {login}"
    yield f"ALTER ROLE {login} SUPERUSER"


def _through_our_functions() -> Iterator[str]:
    """The functions of the owner that the role may call, with arguments that are SQL, and rows that are."""
    grant = f"GRANT {MARK} ON TABLE ledger.events TO PUBLIC"
    for name in (f"x; {grant}; --", f'x"; {grant}; --', f"x'; {grant}; --", "ledger", "../ledger"):
        text = name.replace("'", "''")
        yield f"SELECT projections.make_build('{text}', 1, 'next')"
        yield f"SELECT projections.drop_build('{text}', 'next')"
        yield f"SELECT projections.switch_builds('{text}')"
        yield f"SELECT projections.analyze_build('{text}')"
        yield f"SELECT projections.make_build('history', 1, '{text}')"
        yield f"SELECT projections.drop_build('history', '{text}')"
        yield f"INSERT INTO projections.definitions VALUES ('history', 2, '{text}')"
        yield f"UPDATE projections.definitions SET statements = '{text}'"
        yield f"INSERT INTO projections.drift VALUES ('{text}', '{text}', 1, now(), '{text}')"
        yield f"UPDATE projection_history.checkpoint SET problem = '{text}'"
        yield f"UPDATE ledger.checkpointing SET problem = '{text}'"
    yield "SELECT projections.drop_build('balances', 'live')"
    yield 'SET search_path = pg_temp, "$user", public, pg_catalog'
    yield "SELECT projections.make_build('history', 1, 'next')"
    yield "SELECT projections.analyze_build('history')"
    yield "SELECT projections.switch_builds('history')"
    yield "SELECT projections.drop_build('history', 'old')"
    yield (
        "SELECT ledger.append(ARRAY['a'], ARRAY[1]::bigint[], ARRAY['AccountOpened'], ARRAY['{}']::bytea[],"
        " ARRAY[NULL], ARRAY[NULL], ARRAY[NULL]::bytea[], ARRAY[NULL]::integer[], ARRAY[sha256('')],"
        " ARRAY[sha256('')], '{}', '{}')"
    )
    yield "SELECT ledger.lock_appends()"
