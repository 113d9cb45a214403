-- Where projections live. {schema} is set as the search path by whoever runs `at_*` and a projection's own statements.

-- name: schemas
-- All schemas that hold a projection, a build of one, or what is left of one.
SELECT nspname::text AS name FROM pg_namespace WHERE nspname LIKE 'projection\_%%' ORDER BY 1;

-- name: create_checkpoint
-- How far this build has read the log, what it was built by, and what stopped it. One row.
CREATE TABLE checkpoint (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    version    integer NOT NULL,
    position   bigint NOT NULL,
    as_of      timestamptz,
    stopped_at bigint,
    problem    text
);

-- name: begin
INSERT INTO checkpoint (version, position) VALUES (%(version)s, 0);

-- name: at_checkpoint
SELECT version, position, as_of, stopped_at, problem FROM checkpoint;

-- name: at_advance
-- Fails by NOT NULL unless the build is where we think it is: another runner has moved it, or another build is here now.
UPDATE checkpoint SET
    position = CASE WHEN position = %(after)s AND version = %(version)s THEN %(upto)s::bigint END,
    as_of = coalesce(%(as_of)s, as_of),
    stopped_at = NULL,
    problem = NULL;

-- name: at_stop
UPDATE checkpoint SET stopped_at = %(position)s, problem = %(problem)s;

-- name: lock
-- Whoever moves live projections, or puts another build in their place, holds this until COMMIT.
SELECT pg_advisory_xact_lock(hashtextextended('projections.live', 0));

-- name: lead
-- Whether this connection is the one that runs the projections; it stays so until the connection ends.
SELECT pg_try_advisory_lock(hashtextextended('projections.runner', 0)) AS leads;

-- name: lead_rebuild
-- The same for whoever rebuilds.
SELECT pg_try_advisory_lock(hashtextextended('projections.rebuild', 0)) AS leads;

-- name: hold
-- The same as `lock`, from here on and not until COMMIT: what is written meanwhile is seen before the switch.
SELECT pg_advisory_lock(hashtextextended('projections.live', 0));

-- name: let_go
SELECT pg_advisory_unlock(hashtextextended('projections.live', 0));

-- name: one_moment
-- All statements of this transaction see the database as it is at the first of them, and what they write themselves.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;

-- name: for_good
-- What is said to be done must not be lost with a crash of the server.
SET LOCAL synchronous_commit = on;

-- name: wait_little
-- Whoever waits for a table makes those wait who come after him.
SET LOCAL lock_timeout = '100ms';

-- name: notice_the_end
-- A server process whose client was killed ends within a second, whatever it is doing: its locks are free again.
SET client_connection_check_interval = '1s';
