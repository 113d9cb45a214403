-- The move to a server: what there is to copy, and what would change it on its way.

-- name: session
-- Both servers write values in the same form, and no limit of the server ends a long statement or transaction.
SELECT set_config(name, value, false)
FROM (VALUES ('datestyle', 'ISO, YMD'), ('intervalstyle', 'postgres'), ('timezone', 'UTC'), ('extra_float_digits', '1'),
             ('bytea_output', 'hex'), ('client_encoding', 'UTF8'), ('xmloption', 'content'), ('statement_timeout', '0'),
             ('idle_in_transaction_session_timeout', '0'), ('transaction_timeout', '0'), ('lock_timeout', '10s'),
             ('synchronous_commit', 'on')) AS wanted (name, value)
WHERE name IN (SELECT lower(s.name) FROM pg_settings AS s);

-- name: reserve
-- Whether this connection is the only one that moves a ledger from or to its database, until it ends.
SELECT pg_try_advisory_lock(hashtextextended('ledger.move', 0));

-- name: others
-- Connections of other programs to this database, by what they say that they are.
SELECT DISTINCT coalesce(nullif(application_name, ''), usename, 'a process')::text
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
ORDER BY 1;

-- name: target
-- What a database is like that a ledger could move into.
SELECT current_setting('server_version_num')::integer AS version,
       current_setting('server_encoding') AS encoding,
       pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean AS read_only,
       has_database_privilege(current_database(), 'CREATE') AS may_create,
       session_user::text AS login,
       current_database()::text AS name;

-- name: has_events
SELECT to_regclass('ledger.events') IS NOT NULL;

-- name: events
SELECT coalesce(max(notification_id), 0) FROM ledger.events;

-- name: tables
-- The tables of some schemas, with their columns in the order of their names. Generated columns are not copied.
SELECT n.nspname::text, c.relname::text, array_agg(a.attname::text ORDER BY a.attname),
       array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attname)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE n.nspname = ANY (%(schemas)s) AND c.relkind IN ('r', 'p')
GROUP BY n.nspname, c.relname;

-- name: references
-- Which table refers to which other one.
SELECT n.nspname::text, c.relname::text, m.nspname::text, p.relname::text
FROM pg_constraint AS f
JOIN pg_class AS c ON c.oid = f.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_class AS p ON p.oid = f.confrelid JOIN pg_namespace AS m ON m.oid = p.relnamespace
WHERE f.contype = 'f' AND f.conrelid <> f.confrelid AND n.nspname = ANY (%(schemas)s);

-- name: sequences
SELECT n.nspname::text, c.relname::text
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND n.nspname = ANY (%(schemas)s);

-- name: set_sequence
SELECT setval(%(sequence)s::regclass, %(last)s, %(called)s);

-- name: triggers
-- The triggers that are on, and in which way: O is the usual one, A fires always, R in replication.
SELECT format('%%I.%%I', n.nspname, c.relname), quote_ident(g.tgname), g.tgenabled::text
FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' AND n.nspname = ANY (%(schemas)s);

-- name: size
SELECT sum(pg_total_relation_size(c.oid))::bigint
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%(schemas)s) AND c.relkind IN ('r', 'p');
