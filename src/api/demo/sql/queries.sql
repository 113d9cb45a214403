-- name: first_actor
-- Who made the first event of the log; no row while there is none.
SELECT metadata ->> 'actor' AS actor FROM ledger.event_log WHERE position = 1;
