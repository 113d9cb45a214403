-- Checkouts. Times come from the service, whose clock is the ledger's.

-- name: lock_account
-- Who sells to an account, or takes its money, is alone until the transaction ends. This lock is taken before all others.
SELECT pg_advisory_xact_lock(hashtextextended('billing.checkouts ' || %(account_id)s, 0));

-- name: add
-- The first with a key adds a row. Whoever comes at the same moment waits for it, and adds none.
INSERT INTO billing.checkouts
    (checkout_id, account_id, key, wish, purpose, kind, id, version, price, quantity, provider, state, amount_minor,
    currency, return_url, cancel_url, reference, subscription_id, period_start, period_end, created_by, created_at,
    expires_at, trial_days, live)
VALUES (%(checkout_id)s, %(account_id)s, %(key)s, %(wish)s, %(purpose)s, %(kind)s, %(entry_id)s, %(version)s, %(price)s,
    %(quantity)s, %(provider)s, 'unknown', %(amount_minor)s, %(currency)s, %(return_url)s, %(cancel_url)s,
    %(reference)s, %(subscription_id)s, %(period_start)s, %(period_end)s, %(created_by)s, %(created_at)s,
    %(expires_at)s, %(trial_days)s, %(live)s)
ON CONFLICT (account_id, key) DO NOTHING
RETURNING checkout_id;

-- name: link
-- Whose payments are that name the checkout.
INSERT INTO billing.links (thing, belongs_to, kind) VALUES (%(thing)s, %(belongs_to)s, 'owner')
ON CONFLICT (thing, belongs_to) DO NOTHING;

-- name: find
-- One checkout, by its id or by its account and key. It is paid when a payment that names it is.
SELECT c.checkout_id, c.account_id, c.wish, c.purpose, c.kind, c.id AS entry_id, c.version, c.price, c.quantity,
    c.provider, c.provider_id, c.url, c.amount_minor, c.currency, c.return_url, c.cancel_url, c.reference,
    c.subscription_id, c.period_start, c.period_end, c.created_by, c.created_at, c.expires_at, c.paid_at, c.paid_on,
    c.paid_minor, c.paid_by, c.trial_days, c.live,
    CASE
        WHEN c.state IN ('paid', 'cancelled') THEN c.state
        WHEN EXISTS (
            SELECT FROM billing.links AS l JOIN billing.facts AS f ON f.thing = l.thing AND f.kind = 'PaymentSeen'
            WHERE l.belongs_to = 'checkout:' || c.checkout_id AND f.fact ->> 'status' = 'paid'
        ) THEN 'paid'
        WHEN c.expires_at <= %(now)s THEN 'expired'
        ELSE c.state
    END AS state
FROM billing.checkouts AS c
WHERE c.checkout_id = %(checkout_id)s OR (c.account_id = %(account_id)s AND c.key = %(key)s);

-- name: open
-- What the provider made of it. The first answer counts. What costs nothing is paid before it has a page.
UPDATE billing.checkouts
SET state = CASE WHEN state = 'unknown' THEN 'open' ELSE state END, provider_id = %(provider_id)s, url = %(url)s,
    expires_at = coalesce(%(expires_at)s, expires_at)
WHERE checkout_id = %(checkout_id)s AND url IS NULL;

-- name: open_trials
-- The trials that other checkouts of an account can still begin. At our own provider the first that begins withdraws the
-- others, so they do not keep each other from it.
SELECT id AS plan, 'trialing' AS status, checkout_id AS subscription_id
FROM billing.checkouts
WHERE account_id = %(account_id)s AND purpose = 'purchase' AND state IN ('unknown', 'open') AND trial_days IS NOT NULL
    AND (expires_at IS NULL OR expires_at > %(now)s) AND NOT (provider = 'manual' AND %(provider)s = 'manual');

-- name: own_subscriptions
-- The subscriptions of an account at our own provider, of which the ledger may not have heard yet.
SELECT plan, status, 'manual:' || subscription_id AS subscription_id
FROM billing.manual_subscriptions
WHERE account_id = %(account_id)s;

-- name: open_like
-- The newest checkout of an account for the same, that can still be paid. One whose end is not known counts for an hour.
SELECT checkout_id
FROM billing.checkouts
WHERE account_id = %(account_id)s AND purpose = 'purchase' AND state = 'open' AND kind = %(kind)s AND id = %(entry_id)s
    AND version = %(version)s AND price IS NOT DISTINCT FROM %(price)s AND quantity = %(quantity)s
    AND coalesce(expires_at, created_at + interval '1 hour') > %(now)s
ORDER BY created_at DESC, checkout_id
LIMIT 1;

-- name: requested
-- The payment that is asked for, for the next period of a subscription.
SELECT checkout_id FROM billing.checkouts
WHERE subscription_id = %(subscription_id)s AND purpose = 'renewal' AND state = 'open'
ORDER BY created_at, checkout_id
LIMIT 1;
