-- name: lead_sweeper
-- Whether this connection is the one that sweeps; it stays so until the connection ends.
SELECT pg_try_advisory_lock(hashtextextended('api.sweeper', 0)) AS leads;

-- name: newest_recorded
-- When the newest event was recorded.
SELECT recorded_at FROM ledger.event_log ORDER BY position DESC LIMIT 1;
