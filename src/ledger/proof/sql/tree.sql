-- name: end
-- The position of the last event; 0 when there is none.
SELECT coalesce(max(notification_id), 0) AS position FROM ledger.events;

-- name: event_hashes
-- The hashes of some stretches of the log, those of each as one row of bytes, and how many they are.
SELECT s.n, found.hashes, found.count
FROM unnest(%(afters)s::bigint[], %(uptos)s::bigint[]) WITH ORDINALITY AS s (after, upto, n)
CROSS JOIN LATERAL (
    SELECT coalesce(string_agg(e.hash, ''::bytea ORDER BY e.notification_id), '') AS hashes, count(*) AS count
    FROM ledger.events AS e
    WHERE e.notification_id > s.after AND e.notification_id <= s.upto
) AS found
ORDER BY s.n;

-- name: subtrees
-- What is kept of some stretches of one level.
SELECT t.place, t.hash
FROM unnest(%(begins)s::bigint[], %(ends)s::bigint[]) AS s (begin_, end_)
JOIN ledger.subtrees AS t ON t.level = %(level)s AND t.place >= s.begin_ AND t.place < s.end_;

-- name: keep_subtrees
-- Subtrees are the same whoever makes them of the same log; one that is not is put right.
INSERT INTO ledger.subtrees AS kept (level, place, hash)
SELECT * FROM unnest(%(levels)s::bigint[], %(places)s::bigint[], %(hashes)s::bytea[])
ON CONFLICT (level, place) DO UPDATE SET hash = excluded.hash WHERE kept.hash <> excluded.hash;

-- name: kept
-- Of each level how many are kept, and the last of them.
SELECT level, count(*), max(place) FROM ledger.subtrees GROUP BY level ORDER BY level;

-- name: forget_subtrees
DELETE FROM ledger.subtrees;

-- name: checkpointing
SELECT size, signed_at, problem FROM ledger.checkpointing;

-- name: note_checkpoint
UPDATE ledger.checkpointing
SET size = coalesce(%(size)s, size), signed_at = coalesce(%(signed_at)s, signed_at), problem = %(problem)s::text;
