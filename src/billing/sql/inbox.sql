-- Webhooks as they arrive and as operators see them. Times come from the service, whose clock is the ledger's.

-- name: keys
SELECT name, value FROM billing.secrets;

-- name: put_down
-- The first to put it down adds a row. Whoever comes at the same moment waits for that row to be committed, and sees
-- neither it nor one of its own: then `state_of` is asked.
INSERT INTO billing.webhooks
    (webhook_id, provider, delivery_id, sha256, received_at, type, live, state, next_try_at, body, headers)
VALUES (%(webhook_id)s, %(provider)s, %(delivery_id)s, %(sha256)s, %(received_at)s, %(type)s, %(live)s, 'new',
    %(received_at)s, %(body)s, %(headers)s)
ON CONFLICT (provider, delivery_id, sha256) DO NOTHING
RETURNING state;

-- name: state_of
SELECT state FROM billing.webhooks WHERE webhook_id = %(webhook_id)s;

-- name: find
SELECT number, webhook_id, provider, delivery_id, sha256, received_at, type, live, state, reason, detail, things, about,
    account_id, attempts, next_try_at, decided_at, decided_by, applied_positions, body IS NOT NULL AS has_body
FROM billing.webhooks
WHERE webhook_id = %(webhook_id)s;

-- name: body
SELECT body FROM billing.webhooks WHERE webhook_id = %(webhook_id)s;

-- name: page
-- The newest first. Without a state, all of them.
SELECT number, webhook_id, provider, delivery_id, sha256, received_at, type, live, state, reason, detail, things, about,
    account_id, attempts, next_try_at, decided_at, decided_by, applied_positions, body IS NOT NULL AS has_body
FROM billing.webhooks
WHERE (%(state)s::text IS NULL OR state = %(state)s)
    AND (%(provider)s::text IS NULL OR provider = %(provider)s)
    AND number < %(before)s
ORDER BY number DESC
LIMIT %(limit)s;

-- name: retry
-- Whatever is not applied is tried again at once.
UPDATE billing.webhooks
SET state = 'new', reason = NULL, detail = NULL, attempts = 0, next_try_at = %(now)s, decided_at = %(now)s,
    decided_by = %(actor)s
WHERE webhook_id = %(webhook_id)s AND state <> 'applied'
RETURNING about, things;

-- name: link
-- An operator's word about whose something is. The newest one counts, so that a mistake can be mended.
INSERT INTO billing.links (thing, belongs_to, kind, made_by)
SELECT thing, %(belongs_to)s, 'owner', %(actor)s FROM unnest(%(things)s::text[]) AS thing
ON CONFLICT (thing, belongs_to) DO UPDATE SET made_by = excluded.made_by, number = DEFAULT;

-- name: wake
-- What waits for one of some names is tried again at once.
UPDATE billing.webhooks SET next_try_at = %(now)s, attempts = 0
WHERE state = 'waiting' AND things && %(names)s::text[];

-- name: dismiss
UPDATE billing.webhooks
SET state = 'dismissed', reason = 'dismissed', detail = %(detail)s, next_try_at = NULL, decided_at = %(now)s,
    decided_by = %(actor)s
WHERE webhook_id = %(webhook_id)s AND state <> 'applied'
RETURNING webhook_id;

-- name: waiting
-- How many wait for each reason, and since when.
SELECT coalesce(reason, 'new') AS reason, count(*) AS count, min(received_at) AS oldest
FROM billing.webhooks
WHERE state IN ('new', 'waiting')
GROUP BY 1
ORDER BY 1;

-- name: drop_bodies
-- At most 1,000 at a time. One that nobody has read yet keeps its body.
UPDATE billing.webhooks SET body = NULL, headers = NULL
WHERE number IN (
    SELECT number FROM billing.webhooks WHERE body IS NOT NULL AND received_at < %(before)s
        AND (state <> 'new' OR about <> '{}')
    ORDER BY received_at
    LIMIT 1000
);

-- name: erase
-- The bodies of all deliveries about an account.
UPDATE billing.webhooks SET body = NULL, headers = NULL WHERE account_id = %(account_id)s AND body IS NOT NULL;
