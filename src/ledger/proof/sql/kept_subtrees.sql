-- What `credit-ledger verify` reads about the stored subtrees.

-- name: kept_subtrees
-- The stored subtrees at some levels and places.
SELECT t.level, t.place, t.hash
FROM unnest(%(levels)s::smallint[], %(places)s::bigint[]) AS n (level, place)
JOIN ledger.subtrees AS t USING (level, place);

-- name: stray_subtrees
-- One row that cannot be a subtree: its level is not stored, or its events do not exist.
SELECT t.level, t.place, t.hash
FROM ledger.subtrees AS t
WHERE t.level <= 0 OR t.level %% %(step)s <> 0 OR t.place < 0
   OR t.place >= (SELECT coalesce(max(notification_id), 0) FROM ledger.events) >> t.level
LIMIT 1;
