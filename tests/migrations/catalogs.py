"""What a database has besides rows, from PostgreSQL's catalogs: everything that a migration could leave different."""

from typing import Any

import psycopg

_OURS = "(n.nspname = ANY (%(schemas)s) OR starts_with(n.nspname, 'projection_'))"
_SAID = {
    "schemas": """
        SELECT n.nspname, n.nspowner::regrole::text, n.nspacl::text FROM pg_namespace AS n WHERE {ours}
    """,
    "relations": """
        SELECT c.oid::regclass::text, c.relkind, c.relowner::regrole::text, c.relacl::text, c.reloptions,
               CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE {ours}
    """,
    "columns": """
        SELECT c.oid::regclass::text, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               a.attidentity, a.attcollation::regcollation::text, pg_get_expr(d.adbin, d.adrelid), a.attacl::text
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_attribute AS a ON a.attrelid = c.oid
        LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE {ours} AND c.relkind IN ('r', 'v', 'c') AND a.attnum > 0 AND NOT a.attisdropped
    """,
    "constraints": """
        SELECT k.conrelid::regclass::text, k.conname, pg_get_constraintdef(k.oid)
        FROM pg_constraint AS k JOIN pg_namespace AS n ON n.oid = k.connamespace WHERE {ours}
    """,
    "indexes": """
        SELECT pg_get_indexdef(i.indexrelid)
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE {ours}
    """,
    "triggers": """
        SELECT pg_get_triggerdef(g.oid), g.tgenabled FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE {ours} AND NOT g.tgisinternal
    """,
    "functions": """
        SELECT pg_get_functiondef(p.oid), p.proowner::regrole::text, p.proacl::text
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE {ours}
    """,
    "sequences": """
        SELECT s.seqrelid::regclass::text, s.seqtypid::regtype::text, s.seqincrement
        FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE {ours}
    """,
    "migrations": "SELECT component, name, checksum FROM ledger.migrations",
}


def catalogs(conninfo: str, schemas: list[str]) -> dict[str, list[tuple[Any, ...]]]:
    """All there is in some schemas, and in those of the projections."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET search_path = ''")
        return {
            what: sorted(connection.execute(said.format(ours=_OURS).encode(), {"schemas": schemas}), key=repr)
            for what, said in _SAID.items()
        }
