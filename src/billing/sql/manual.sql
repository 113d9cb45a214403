-- Our own provider. Times come from the service. Whoever changes a subscription or takes money locks the account first
-- (checkouts.sql), then the subscription.

-- name: account_of
SELECT account_id FROM billing.manual_subscriptions WHERE subscription_id = %(subscription_id)s;

-- name: lock
SELECT subscription_id, account_id, checkout_id, plan, version, price, quantity, status, anchor, period_start,
    period_end, ends_at, next_product, next_quantity, told_at, step_at, live
FROM billing.manual_subscriptions
WHERE subscription_id = %(subscription_id)s
FOR UPDATE;

-- name: due
-- The subscriptions that are due, those first that are for the longest.
SELECT subscription_id, account_id
FROM billing.manual_subscriptions
WHERE step_at <= %(now)s
ORDER BY step_at, subscription_id
LIMIT %(limit)s;

-- name: postpone
UPDATE billing.manual_subscriptions SET step_at = %(step_at)s
WHERE subscription_id = %(subscription_id)s AND step_at < %(step_at)s;

-- name: put
INSERT INTO billing.manual_subscriptions
    (subscription_id, account_id, checkout_id, plan, version, price, quantity, status, anchor, period_start, period_end,
    ends_at, next_product, next_quantity, told_at, step_at, live)
VALUES (%(subscription_id)s, %(account_id)s, %(checkout_id)s, %(plan)s, %(version)s, %(price)s, %(quantity)s,
    %(status)s, %(anchor)s, %(period_start)s, %(period_end)s, %(ends_at)s, %(next_product)s,
    %(next_quantity)s, %(told_at)s, %(step_at)s, %(live)s)
ON CONFLICT (subscription_id) DO UPDATE
SET plan = excluded.plan, version = excluded.version, price = excluded.price, quantity = excluded.quantity,
    status = excluded.status, anchor = excluded.anchor, period_start = excluded.period_start,
    period_end = excluded.period_end, ends_at = excluded.ends_at, next_product = excluded.next_product,
    next_quantity = excluded.next_quantity, told_at = excluded.told_at, step_at = excluded.step_at,
    live = excluded.live;

-- name: paid
-- The first to say that a checkout is paid changes it; whoever comes at the same moment waits, and changes nothing. What
-- was taken back can be paid when its subscription is over.
UPDATE billing.checkouts
SET state = 'paid', paid_at = %(now)s, paid_on = %(paid_on)s, paid_minor = %(paid_minor)s, paid_by = %(paid_by)s
WHERE checkout_id = %(checkout_id)s AND provider = 'manual'
    AND (state IN ('unknown', 'open') OR state = 'cancelled' AND %(is_over)s)
RETURNING checkout_id;

-- name: cancel_requests
-- Nobody is to pay what a subscription asked for before.
UPDATE billing.checkouts SET state = 'cancelled'
WHERE subscription_id = %(subscription_id)s AND purpose <> 'purchase' AND state = 'open';

-- name: cancel_changes
-- The next wish takes the place of the last one.
UPDATE billing.checkouts SET state = 'cancelled'
WHERE subscription_id = %(subscription_id)s AND purpose = 'change' AND state = 'open';

-- name: withdraw_others
-- When a plan is paid, nobody is to pay for a second one of its group, or to begin one that costs nothing.
UPDATE billing.checkouts SET state = 'cancelled'
WHERE checkout_id IN (
    SELECT o.checkout_id
    FROM billing.checkouts AS p
    JOIN billing.catalog AS sold ON (sold.kind, sold.id, sold.version) = (p.kind, p.id, p.version)
    JOIN billing.checkouts AS o ON o.account_id = p.account_id AND o.checkout_id <> p.checkout_id
    JOIN billing.catalog AS other ON (other.kind, other.id, other.version) = (o.kind, o.id, o.version)
    WHERE p.checkout_id = %(checkout_id)s AND o.provider = 'manual' AND o.purpose = 'purchase'
        AND o.state IN ('unknown', 'open') AND other.body ->> 'group' = sold.body ->> 'group'
);

-- name: due_of_account
-- The payments that an account is asked for, for the subscriptions that it has. The oldest comes first.
SELECT checkout_id, amount_minor, currency, period_start, expires_at
FROM billing.checkouts
WHERE account_id = %(account_id)s AND purpose = 'renewal' AND state = 'open'
ORDER BY created_at;

-- name: awaited
-- What is waited for, or, with a reference, the one that has it, whatever became of it.
SELECT c.checkout_id, c.account_id, c.reference, c.amount_minor, c.currency, c.purpose, c.kind, c.id AS entry_id,
    c.quantity, c.created_at, c.expires_at, c.period_start, c.state, c.paid_on, c.paid_by
FROM billing.checkouts AS c
WHERE c.provider = 'manual' AND c.reference IS NOT NULL
    AND CASE WHEN %(reference)s::text IS NULL THEN c.state = 'open' ELSE c.reference = %(reference)s END
    AND (c.created_at, c.checkout_id) > (%(after)s, %(after_id)s)
ORDER BY c.created_at, c.checkout_id
LIMIT %(limit)s;
