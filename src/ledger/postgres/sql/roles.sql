-- The role of the service: its status, its rights, and what the login of the service could do beyond them.

-- name: role_status
-- Whether the role exists, and whether the login may take it. Before PostgreSQL 16, membership was enough for that.
SELECT session_user::text AS login,
       role.oid IS NOT NULL AS there,
       coalesce(pg_has_role(session_user, role.oid,
                            CASE WHEN current_setting('server_version_num')::integer >= 160000
                                 THEN 'SET' ELSE 'MEMBER' END), false) AS takes
FROM (SELECT to_regrole(%(service)s)::oid AS oid) AS role;

-- name: rights
-- All objects in some schemas that can have grants, named as in grants.sql, with the role's privileges on each (null: none).
WITH acl (kind, name, items) AS (
    SELECT 'DATABASE', '{database}', datacl FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'SCHEMA', quote_ident(nspname), nspacl FROM pg_namespace WHERE nspname = ANY (%(schemas)s)
    UNION ALL
    SELECT 'TABLE', format('%%I.%%I', n.nspname, c.relname), c.relacl
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY (%(schemas)s) AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL
    SELECT 'FUNCTION', format('%%I.%%I', n.nspname, p.proname), p.proacl
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = ANY (%(schemas)s)
)
SELECT acl.kind, acl.name, item.privilege_type AS privilege
FROM acl LEFT JOIN LATERAL aclexplode(acl.items) AS item ON item.grantee = to_regrole(%(service)s);

-- name: builds
-- Schemas whose names have one of some prefixes, and that the role does not own, as it did in earlier versions.
SELECT nspname::text FROM pg_namespace
WHERE EXISTS (SELECT FROM unnest(%(prefixes)s::text[]) AS b (prefix) WHERE starts_with(nspname, prefix))
  AND nspowner IS DISTINCT FROM to_regrole(%(service)s)::oid;

-- name: disabled_triggers
-- Triggers that refuse changes and are disabled, on tables that the login may alter. It does not find dropped triggers.
SELECT g.tgrelid::regclass::text AS on_table, quote_ident(g.tgname) AS name
FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid
WHERE (g.tgfoid = to_regproc('ledger.refuse_change') OR g.tgname = 'never_changed') AND g.tgenabled <> 'A' AND pg_has_role(c.relowner, 'USAGE');

-- name: lock
-- Only one process at a time may grant, because concurrent grants on one table fail.
SELECT pg_advisory_xact_lock(hashtextextended('ledger.roles', 0));

-- name: users
-- The login, and the role in which it acts.
SELECT session_user::text AS login, current_user::text AS acting;

-- name: could
-- What the connected login could do that the service does not need. A superuser can do anything. For other logins, all
-- rights of the roles count that the login has, or could take.
WITH watched (name, oid) AS (
    SELECT name, to_regclass(name)::oid FROM unnest(ARRAY['ledger.events', 'ledger.identity', 'ledger.text_keys']) AS name
), own_roles AS (
    SELECT * FROM pg_roles WHERE rolname IN (session_user, current_user)
), reachable AS (
    SELECT r.* FROM pg_roles AS r
    WHERE r.oid IN (SELECT oid FROM own_roles)
       OR NOT (SELECT bool_or(rolsuper) FROM own_roles)
          AND (pg_has_role(session_user, r.oid, 'MEMBER') OR pg_has_role(current_user, r.oid, 'MEMBER'))
), ordinary AS (
    SELECT * FROM reachable WHERE NOT rolsuper
), owned (name, owner) AS (
    SELECT 'the database', datdba FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'the schema ledger', nspowner FROM pg_namespace WHERE nspname = 'ledger'
    UNION ALL
    SELECT w.name, c.relowner FROM watched AS w JOIN pg_class AS c USING (oid)
)
SELECT could FROM (
    SELECT format('%I is a superuser', rolname) AS could, 1 AS n FROM reachable WHERE rolsuper
    UNION ALL
    SELECT format('%I owns %s', rolname, string_agg(name, ', ' ORDER BY name)), 2
    FROM ordinary JOIN owned ON owner = ordinary.oid
    GROUP BY rolname
    UNION ALL
    SELECT format('%I may %s on %s', m.rolname, string_agg(p.name, ', ' ORDER BY p.name), w.name), 3
    FROM ordinary AS m
    CROSS JOIN watched AS w
    JOIN pg_class AS c ON c.oid = w.oid
    CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS p (name)
    WHERE NOT pg_has_role(m.oid, c.relowner, 'USAGE')  -- an owner is listed already
      AND (has_table_privilege(m.oid, w.oid, p.name)
           OR p.name IN ('INSERT', 'UPDATE') AND has_any_column_privilege(m.oid, w.oid, p.name))
    GROUP BY m.rolname, w.name
    UNION ALL
    SELECT format('%I may create objects in the schema%s %s', m.rolname, CASE WHEN count(*) > 1 THEN 's' ELSE '' END,
                  string_agg(quote_ident(n.nspname), ', ' ORDER BY n.nspname)), 4
    FROM ordinary AS m CROSS JOIN pg_namespace AS n
    WHERE (NOT pg_has_role(m.oid, n.nspowner, 'USAGE') OR n.nspname <> 'ledger')  -- its owner is listed already
      AND NOT starts_with(n.nspname, 'pg_')
      AND NOT EXISTS (SELECT FROM owned WHERE owned.owner = m.oid)  -- who owns the ledger may do that anyway
      AND has_schema_privilege(m.oid, n.oid, 'CREATE')
    GROUP BY m.rolname
    UNION ALL
    SELECT format('%I may create schemas in the database', m.rolname), 4
    FROM ordinary AS m
    WHERE NOT EXISTS (SELECT FROM owned WHERE owned.owner = m.oid)
      AND has_database_privilege(m.oid, current_database(), 'CREATE')
    UNION ALL
    SELECT format('the schema %I has the name of a login or owner, who looks up names in it first', n.nspname), 4
    FROM pg_namespace AS n JOIN pg_roles AS r ON r.rolname = n.nspname
    WHERE r.rolcanlogin OR r.oid IN (SELECT owner FROM owned)
    UNION ALL
    SELECT format('%I may make itself a member of other roles (CREATEROLE)', rolname), 5
    FROM ordinary WHERE rolcreaterole AND current_setting('server_version_num')::integer < 160000
    UNION ALL
    SELECT format('%s may access files of the server', rolname), 6
    FROM ordinary WHERE rolname IN ('pg_write_server_files', 'pg_execute_server_program')
    UNION ALL
    SELECT format('the trigger %s on %s is disabled', t.trigger, t.table), 7
    FROM (SELECT name AS table, trigger FROM watched CROSS JOIN unnest(ARRAY['never_changed', 'never_emptied']) AS trigger) AS t
    WHERE NOT EXISTS (
        SELECT FROM pg_trigger AS g
        WHERE g.tgrelid = to_regclass(t.table) AND g.tgname = t.trigger AND g.tgenabled = 'A'
    )
) AS found
ORDER BY n, could;

-- name: bodies
-- The functions, triggers and rules of some schemas, and their definitions.
SELECT 'function' AS kind, format('%%I.%%I', n.nspname, p.proname) AS name, coalesce(p.prosrc, '') AS text
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = ANY (%(schemas)s)
UNION ALL
SELECT 'trigger', format('%%I on %%I.%%I', g.tgname, n.nspname, c.relname), pg_get_triggerdef(g.oid)
FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%(schemas)s) AND NOT g.tgisinternal
UNION ALL
SELECT 'rule', format('%%I on %%I.%%I', r.rulename, n.nspname, c.relname), pg_get_ruledef(r.oid)
FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%(schemas)s) AND r.rulename <> '_RETURN';

-- name: powerful_logins
-- The logins, apart from this one, that may change recorded events, and a line for each that could be used.
SELECT r.rolname,
       format('this process could connect as %I%s, through the Unix socket and without a password',
              r.rolname, CASE WHEN r.rolsuper THEN ', a superuser' ELSE ', who owns the ledger' END)
FROM pg_roles AS r
WHERE r.rolcanlogin AND r.rolname <> session_user
  AND (r.rolsuper OR r.oid = (SELECT c.relowner FROM pg_class AS c WHERE c.oid = to_regclass('ledger.events')))
ORDER BY r.rolname
LIMIT 10;
