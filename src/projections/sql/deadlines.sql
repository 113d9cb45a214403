-- name: lead
-- Whether this connection is the one that keeps the deadlines; it stays so until the connection ends.
SELECT pg_try_advisory_lock(hashtextextended('projections.deadlines', 0)) AS leads;

-- name: checkpoint
SELECT coalesce((SELECT position FROM projections.checkpoints WHERE name = 'deadlines'), 0) AS position;

-- name: advance
INSERT INTO projections.checkpoints (name, position) VALUES ('deadlines', %(position)s)
ON CONFLICT (name) DO UPDATE SET position = excluded.position;

-- name: add
INSERT INTO projections.deadlines (account_id, due_at)
SELECT * FROM unnest(%(accounts)s::text[], %(times)s::timestamptz[])
ON CONFLICT DO NOTHING;

-- name: due
SELECT account_id FROM (
    SELECT account_id, due_at FROM projections.deadlines WHERE due_at <= %(now)s ORDER BY due_at LIMIT %(limit)s
) AS first_due
GROUP BY account_id ORDER BY min(due_at);

-- name: done
DELETE FROM projections.deadlines WHERE account_id = ANY (%(accounts)s) AND due_at <= %(now)s;
