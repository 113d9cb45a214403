-- The changes that were asked for. Times come from the service, whose clock is the ledger's.

-- name: find
SELECT fingerprint, answer FROM billing.changes
WHERE account_id = %(account_id)s AND operation = %(operation)s AND key = %(key)s;

-- name: asked_for
-- The newest wishes about the subscriptions of an account.
SELECT operation, subscription_id, plan, reason, asked_by, asked_at, state, failure
FROM billing.changes
WHERE account_id = %(account_id)s
ORDER BY number DESC
LIMIT %(limit)s;

-- name: paid_in
-- The currency of each of some payments.
SELECT thing, fact ->> 'currency' FROM billing.facts WHERE kind = 'PaymentSeen' AND thing = ANY (%(payments)s::text[]);

-- name: last_other
-- The newest wish about a subscription that is another one.
SELECT max(number) AS number FROM billing.changes
WHERE account_id = %(account_id)s AND subscription_id = %(subscription_id)s
    AND (operation, fingerprint) <> (%(operation)s, %(fingerprint)s);

-- name: lock
-- One change of a subscription at a time.
SELECT pg_advisory_xact_lock(hashtextextended('billing.changes ' || %(subscription_id)s, 0));

-- name: put
-- The first answer stays.
INSERT INTO billing.changes
    (account_id, subscription_id, operation, key, fingerprint, answer, reason, asked_by, asked_at, state,
     product, plan, quantity, next_try_at)
VALUES (%(account_id)s, %(subscription_id)s, %(operation)s, %(key)s, %(fingerprint)s, %(answer)s, %(reason)s,
    %(asked_by)s, %(asked_at)s, %(state)s, %(product)s, %(plan)s, %(quantity)s, %(next_try_at)s)
ON CONFLICT (account_id, operation, key) DO NOTHING;

-- name: drop
-- What is held for a subscription is not sent any more, unless it is what a repeated wish has asked for.
UPDATE billing.changes SET state = 'dropped', next_try_at = NULL
WHERE subscription_id = %(subscription_id)s AND state = 'held'
    AND NOT (account_id = %(account_id)s AND operation = %(operation)s AND key = %(key)s);

-- name: held
-- What is held for some subscriptions.
SELECT subscription_id, plan, product, quantity, next_try_at FROM billing.changes
WHERE subscription_id = ANY (%(subscriptions)s::text[]) AND state = 'held';

-- name: claim
-- Take what is due. Nobody else takes it until `again_at`; by then whoever took it has sent it, or was killed.
UPDATE billing.changes AS c
SET next_try_at = %(again_at)s, attempts = c.attempts + 1
FROM (
    SELECT number FROM billing.changes
    WHERE next_try_at <= %(now)s AND state = 'held'
    ORDER BY next_try_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
) AS due
WHERE c.number = due.number
RETURNING c.number, c.account_id, c.subscription_id, c.product, c.plan, c.quantity, c.attempts;

-- name: done
-- What was dropped meanwhile stays dropped.
UPDATE billing.changes
SET state = %(state)s, next_try_at = %(next_try_at)s, failure = %(failure)s
WHERE number = %(number)s AND state = 'held';

-- name: erase
UPDATE billing.changes SET reason = NULL WHERE account_id = %(account_id)s AND reason IS NOT NULL;
