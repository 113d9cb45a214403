-- name: lead_sweeper
-- Try to become the connection that sweeps. It keeps the lock until it ends.
SELECT pg_try_advisory_lock(hashtextextended('api.sweeper', 0)) AS leads;

-- name: newest_recorded
-- The time at which the newest event was recorded.
SELECT recorded_at FROM ledger.event_log ORDER BY position DESC LIMIT 1;
