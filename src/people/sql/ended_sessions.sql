-- name: forget
-- Delete sessions that ended long ago, at most 100 at a time. Those that somebody else is at are left for the next time.
DELETE FROM people.sessions WHERE session_id IN (
    SELECT session_id FROM people.sessions WHERE expires_at < %(before)s ORDER BY expires_at LIMIT 100
    FOR UPDATE SKIP LOCKED
);
