-- What the biller asks of the inbox, and says to it. Times come from the service.

-- name: by_index
-- Everything the biller asks has an index. Its plans are made while the tables are small, and are kept while they grow.
SET enable_seqscan = off;

-- name: lead_biller
-- Try to become the connection that applies webhooks. It keeps the lock until it ends.
SELECT pg_try_advisory_lock(hashtextextended('billing.biller', 0)) AS leads;

-- name: due
-- The oldest first, so that what was sent first is mostly applied first. The order does not matter.
SELECT number, webhook_id, provider, delivery_id, type, live, state, reason, things, about, account_id, attempts, body
FROM billing.webhooks
WHERE next_try_at <= %(now)s
ORDER BY next_try_at, number
LIMIT %(limit)s;

-- name: decide
-- One that an operator has dismissed meanwhile stays dismissed, and one that has become due again is looked at again:
-- what was decided did not yet know why.
UPDATE billing.webhooks AS w
SET state = d.state, reason = d.reason, detail = d.detail, account_id = coalesce(d.account_id, w.account_id),
    attempts = d.attempts, next_try_at = d.next_try_at, decided_at = %(now)s,
    applied_positions = string_to_array(d.positions, ',')::bigint[],
    things = coalesce(string_to_array(d.things, E'\n'), w.things),
    about = coalesce(string_to_array(d.about, E'\n'), w.about)
FROM unnest(
    %(numbers)s::bigint[], %(states)s::text[], %(reasons)s::text[], %(details)s::text[], %(accounts)s::text[],
    %(attempts)s::integer[], %(next_tries)s::timestamptz[], %(positions)s::text[],
    %(things)s::text[], %(about)s::text[]
) AS d (number, state, reason, detail, account_id, attempts, next_try_at, positions, things, about)
WHERE w.number = d.number AND w.state IN ('new', 'waiting') AND w.next_try_at <= %(now)s;

-- name: products
-- How many products the catalogue has.
SELECT count(*) FROM billing.products;

-- name: wake_products
UPDATE billing.webhooks SET next_try_at = %(now)s, attempts = 0
WHERE state = 'waiting' AND reason = 'unknown_product';
