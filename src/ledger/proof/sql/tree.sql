-- name: end
-- The position of the last event; 0 when there is none.
SELECT coalesce(max(notification_id), 0) AS position FROM ledger.events;

-- name: event_hashes
-- The hashes of the events in some ranges of positions: for each range, all hashes as one byte string, and their number.
SELECT s.n, found.hashes, found.count
FROM unnest(%(afters)s::bigint[], %(uptos)s::bigint[]) WITH ORDINALITY AS s (after, upto, n)
CROSS JOIN LATERAL (
    SELECT coalesce(string_agg(e.hash, ''::bytea ORDER BY e.notification_id), '') AS hashes, count(*) AS count
    FROM ledger.events AS e
    WHERE e.notification_id > s.after AND e.notification_id <= s.upto
) AS found
ORDER BY s.n;

-- name: subtrees
-- The stored subtrees in some ranges of places of one level.
SELECT t.place, t.hash
FROM unnest(%(begins)s::bigint[], %(ends)s::bigint[]) AS s (begin_, end_)
JOIN ledger.subtrees AS t ON t.level = %(level)s AND t.place >= s.begin_ AND t.place < s.end_;

-- name: store_subtrees
-- Subtrees are the same whoever makes them of the same log. A row that differs is corrected.
INSERT INTO ledger.subtrees AS kept (level, place, hash)
SELECT * FROM unnest(%(levels)s::bigint[], %(places)s::bigint[], %(hashes)s::bytea[])
ON CONFLICT (level, place) DO UPDATE SET hash = excluded.hash WHERE kept.hash <> excluded.hash;

-- name: kept
-- For each level, the number of stored subtrees and the last place.
SELECT level, count(*), max(place) FROM ledger.subtrees GROUP BY level ORDER BY level;

-- name: delete_subtrees
DELETE FROM ledger.subtrees;

-- name: checkpointing
SELECT size, signed_at, problem FROM ledger.checkpointing;

-- name: note_checkpoint
UPDATE ledger.checkpointing
SET size = coalesce(%(size)s, size), signed_at = coalesce(%(signed_at)s, signed_at), problem = %(problem)s::text;
