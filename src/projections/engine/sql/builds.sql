-- Builds of projections. The caller sets the search path to a build's schema for `at_stop` and a projection's own statements.

-- name: schemas
-- All schemas of builds: live, next and old ones.
SELECT nspname::text AS name FROM pg_namespace WHERE nspname LIKE 'projection\_%%' ORDER BY 1;

-- name: create_position
-- One row: the position up to which this build has read the log, its version, and the event that stopped it.
CREATE TABLE checkpoint (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    version    integer NOT NULL,
    position   bigint NOT NULL,
    as_of      timestamptz,
    stopped_at bigint,
    problem    text
);

-- name: definitions
SELECT name, version, statements FROM projections.definitions;

-- name: define
INSERT INTO projections.definitions (name, version, statements) VALUES (%(name)s, %(version)s, %(statements)s)
ON CONFLICT (name, version) DO UPDATE SET statements = excluded.statements;

-- name: make_build
SELECT projections.make_build(%(name)s, %(version)s::integer, %(state)s);

-- name: drop_build
SELECT projections.drop_build(%(name)s, %(state)s);

-- name: analyze_build
SELECT projections.analyze_build(%(name)s);

-- name: switch_builds
SELECT projections.switch_builds(%(name)s);

-- name: made_by_others
-- Builds of another owner than that of the functions that make them now.
SELECT n.nspname::text FROM pg_namespace AS n
JOIN pg_proc AS ours ON ours.oid = 'projections.make_build'::regproc
WHERE n.nspname LIKE 'projection\_%%' AND n.nspowner <> ours.proowner;

-- name: at_advance
-- Fails with a NOT NULL violation unless the build has the expected position and version: another runner has moved it, or
-- another build has replaced it. Names in braces are filled in by builds.py.
UPDATE {table} SET
    position = CASE WHEN position = %(after)s AND version = {version} THEN %(upto)s::bigint END,
    as_of = coalesce(%(as_of)s, as_of),
    stopped_at = NULL,
    problem = NULL;

-- name: at_stop
UPDATE checkpoint SET stopped_at = %(position)s, problem = %(problem)s;

-- name: lock
-- A transaction that moves live builds, or replaces them, holds this lock until COMMIT.
SELECT pg_advisory_xact_lock(hashtextextended('projections.live', 0));

-- name: lead
-- Whether this connection is the one that runs the projections, until it ends.
SELECT pg_try_advisory_lock(hashtextextended('projections.runner', 0)) AS leads;

-- name: lead_rebuild
-- Whether this connection is the one that rebuilds, until it ends.
SELECT pg_try_advisory_lock(hashtextextended('projections.rebuild', 0)) AS leads;

-- name: lock_live
-- The same lock as `lock`, but held beyond COMMIT: so that rows written meanwhile are visible to the switch.
SELECT pg_advisory_lock(hashtextextended('projections.live', 0));

-- name: unlock_live
SELECT pg_advisory_unlock(hashtextextended('projections.live', 0));

-- name: one_moment
-- All statements of this transaction see the database as it was at the first one, and their own writes.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;

-- name: commit_durably
-- A switch that was reported as done must survive a crash of the server.
SET LOCAL synchronous_commit = on;

-- name: wait_briefly
-- A statement that waits for a table lock blocks all later readers of the table.
SET LOCAL lock_timeout = '100ms';

-- name: end_with_client
-- The server process ends within a second after its client was killed, and releases its locks.
SET client_connection_check_interval = '1s';
