-- name: create
-- A payment is `refunded` when all of its money was refunded; until then it has the status that its provider reported.
CREATE TABLE payments (
    account_id     text COLLATE "C" NOT NULL,
    payment_id     text COLLATE "C" NOT NULL,
    version        bigint NOT NULL,
    recorded_at    timestamptz NOT NULL,
    provider       text NOT NULL,
    status         text NOT NULL,
    amount_minor   numeric NOT NULL,
    refunded_minor numeric NOT NULL DEFAULT 0 CHECK (refunded_minor <= amount_minor),
    currency       text NOT NULL,
    plan           text,
    refunded_at    timestamptz,
    PRIMARY KEY (account_id, payment_id)
);
CREATE UNIQUE INDEX payments_in_order ON payments (account_id, version);
CREATE TABLE bought (
    account_id text COLLATE "C" NOT NULL,
    payment_id text COLLATE "C" NOT NULL,
    grant_id   text NOT NULL,
    kind       text NOT NULL,
    amount     bigint NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (account_id, payment_id, grant_id)
);

-- name: add
INSERT INTO payments (
    account_id, version, payment_id, recorded_at, provider, status, amount_minor, currency, plan
)
SELECT * FROM unnest(
    %(accounts)s::text[], %(versions)s::bigint[], %(payments)s::text[], %(times)s::timestamptz[],
    %(providers)s::text[], %(statuses)s::text[], %(amounts)s::numeric[], %(currencies)s::text[], %(plans)s::text[]
);

-- name: add_bought
INSERT INTO bought (account_id, payment_id, grant_id, kind, amount, expires_at)
SELECT * FROM unnest(
    %(accounts)s::text[], %(payments)s::text[], %(grants)s::text[], %(kinds)s::text[], %(amounts)s::bigint[],
    %(expiries)s::timestamptz[]
);

-- name: refund
UPDATE payments AS p SET
    refunded_minor = r.refunded,
    refunded_at = r.at,
    status = CASE WHEN r.refunded = p.amount_minor THEN 'refunded' ELSE p.status END
FROM unnest(%(accounts)s::text[], %(payments)s::text[], %(refunded)s::numeric[], %(times)s::timestamptz[])
     AS r (account_id, payment_id, refunded, at)
WHERE p.account_id = r.account_id AND p.payment_id = r.payment_id;

-- name: page
-- Payments, newest first, each with the grants that it bought and what remains of them: 0 for a lot that has expired.
SELECT p.payment_id, p.provider, p.status, p.amount_minor, p.refunded_minor, p.currency, p.plan, p.recorded_at,
       p.refunded_at, p.version, coalesce(bought.grants, '[]') AS grants
FROM projection_payments.payments AS p
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
        'grant_id', b.grant_id, 'kind', b.kind, 'amount', b.amount,
        'remaining', CASE WHEN g.expires_at <= %(now)s THEN 0 ELSE g.remaining END,
        'held', g.held, 'voided', g.voided, 'expires_at', b.expires_at
    ) ORDER BY g.number) AS grants
    FROM projection_payments.bought AS b
    LEFT JOIN projection_balances.grants AS g
        ON g.account_id = b.account_id AND g.number = substr(b.grant_id, 5)::bigint
    WHERE b.account_id = p.account_id AND b.payment_id = p.payment_id
) AS bought ON true
WHERE p.account_id = %(account)s AND p.version < %(before)s AND (%(status)s::text IS NULL OR p.status = %(status)s)
ORDER BY p.version DESC
LIMIT %(limit)s;
