-- name: create
-- A payment is `refunded` when all of its money was refunded; until then it has the status that its provider reported last.
-- What it bought are `grants` grants, whose numbers are consecutive; or, of a subscription, the allowances of a period.
CREATE TABLE payments (
    account_id     text COLLATE "C" NOT NULL,
    payment_id     text COLLATE "C" NOT NULL,
    version        bigint NOT NULL,
    recorded_at    timestamptz NOT NULL,
    provider       text COLLATE "C" NOT NULL,
    status         text NOT NULL,
    amount_minor   numeric NOT NULL,
    refunded_minor numeric NOT NULL DEFAULT 0 CHECK (refunded_minor <= amount_minor),
    currency       text NOT NULL,
    plan           text,
    refunded_at    timestamptz,
    first_grant    bigint,
    grants         bigint NOT NULL,
    subscription_id text,
    reason         text,
    period_start   timestamptz,
    period_end     timestamptz,
    PRIMARY KEY (account_id, provider, payment_id)
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
CREATE TABLE disputes (
    account_id   text COLLATE "C" NOT NULL,
    provider     text COLLATE "C" NOT NULL,
    payment_id   text COLLATE "C" NOT NULL,
    dispute_id   text COLLATE "C" NOT NULL,
    state        text NOT NULL,
    amount_minor numeric NOT NULL,
    changed_at   timestamptz NOT NULL,
    version      bigint NOT NULL,           -- of the last event about it
    PRIMARY KEY (account_id, provider, payment_id, dispute_id)
);
CREATE INDEX disputes_in_order ON disputes (changed_at, account_id, version);
-- By the time of recording, for each quarter of an hour.
CREATE TABLE revenue (
    account_id     text COLLATE "C" NOT NULL,
    bucket         timestamptz NOT NULL,
    currency       text COLLATE "C" NOT NULL,
    paid_minor     numeric NOT NULL DEFAULT 0,
    payments       bigint NOT NULL DEFAULT 0,
    refunded_minor numeric NOT NULL DEFAULT 0,
    lost_minor     numeric NOT NULL DEFAULT 0,  -- in disputes
    PRIMARY KEY (account_id, bucket, currency)
);
CREATE INDEX revenue_by_time ON revenue (bucket);

-- name: add
-- A payment that failed may come once more, as paid.
INSERT INTO payments (
    account_id, version, payment_id, recorded_at, provider, status, amount_minor, currency, plan, first_grant, grants,
    subscription_id, reason, period_start, period_end
)
SELECT * FROM unnest(
    %(accounts)s::text[], %(versions)s::bigint[], %(payments)s::text[], %(times)s::timestamptz[],
    %(providers)s::text[], %(statuses)s::text[], %(amounts)s::numeric[], %(currencies)s::text[], %(plans)s::text[],
    %(firsts)s::bigint[], %(counts)s::bigint[], %(subscriptions)s::text[], %(reasons)s::text[], %(starts)s::timestamptz[],
    %(ends)s::timestamptz[]
)
ON CONFLICT (account_id, provider, payment_id) DO UPDATE SET
    version = excluded.version,
    recorded_at = excluded.recorded_at,
    status = excluded.status,
    amount_minor = excluded.amount_minor,
    currency = excluded.currency,
    plan = excluded.plan,
    first_grant = excluded.first_grant,
    grants = excluded.grants,
    subscription_id = excluded.subscription_id,
    reason = excluded.reason,
    period_start = excluded.period_start,
    period_end = excluded.period_end;

-- name: add_bought
INSERT INTO bought (account_id, payment_id, grant_id, kind, amount, expires_at)
SELECT * FROM unnest(
    %(accounts)s::text[], %(payments)s::text[], %(grants)s::text[], %(kinds)s::text[], %(amounts)s::bigint[],
    %(expiries)s::timestamptz[]
);

-- name: refund
-- An old refund names no provider: it is of the first payment with its id.
UPDATE payments AS p SET
    refunded_minor = r.refunded,
    refunded_at = r.at,
    status = CASE WHEN r.refunded = p.amount_minor THEN 'refunded' ELSE p.status END
FROM unnest(%(accounts)s::text[], %(providers)s::text[], %(payments)s::text[], %(refunded)s::numeric[],
            %(times)s::timestamptz[]) AS r (account_id, provider, payment_id, refunded, at)
WHERE p.account_id = r.account_id AND p.payment_id = r.payment_id
  AND p.provider = coalesce(r.provider, (
      SELECT first.provider FROM payments AS first
      WHERE first.account_id = r.account_id AND first.payment_id = r.payment_id
      ORDER BY first.version LIMIT 1
  ));

-- name: dispute
INSERT INTO disputes (account_id, provider, payment_id, dispute_id, state, amount_minor, changed_at, version)
SELECT * FROM unnest(
    %(accounts)s::text[], %(providers)s::text[], %(payments)s::text[], %(disputes)s::text[], %(states)s::text[],
    %(amounts)s::numeric[], %(times)s::timestamptz[], %(versions)s::bigint[]
)
ON CONFLICT (account_id, provider, payment_id, dispute_id) DO UPDATE SET
    state = excluded.state,
    amount_minor = excluded.amount_minor,
    changed_at = excluded.changed_at,
    version = excluded.version;

-- name: add_income
INSERT INTO revenue AS r (account_id, bucket, currency, paid_minor, payments)
SELECT * FROM unnest(
    %(accounts)s::text[], %(buckets)s::timestamptz[], %(currencies)s::text[], %(amounts)s::numeric[], %(counts)s::bigint[]
)
ON CONFLICT (account_id, bucket, currency) DO UPDATE SET
    paid_minor = r.paid_minor + excluded.paid_minor,
    payments = r.payments + excluded.payments;

-- name: add_outgo
-- An old refund names no provider: it is of the first payment with its id.
INSERT INTO revenue AS r (account_id, bucket, currency, refunded_minor, lost_minor)
SELECT g.account_id, g.bucket, p.currency, sum(g.refunded), sum(g.lost)
FROM unnest(%(buckets)s::timestamptz[], %(accounts)s::text[], %(providers)s::text[], %(payments)s::text[],
            %(refunded)s::numeric[], %(lost)s::numeric[]) AS g (bucket, account_id, provider, payment_id, refunded, lost)
JOIN payments AS p ON p.account_id = g.account_id AND p.payment_id = g.payment_id
  AND p.provider = coalesce(g.provider, (
      SELECT first.provider FROM payments AS first
      WHERE first.account_id = g.account_id AND first.payment_id = g.payment_id
      ORDER BY first.version LIMIT 1
  ))
GROUP BY 1, 2, 3
ON CONFLICT (account_id, bucket, currency) DO UPDATE SET
    refunded_minor = r.refunded_minor + excluded.refunded_minor,
    lost_minor = r.lost_minor + excluded.lost_minor;

-- name: revenue
-- What was paid, refunded and lost in each span of time, by currency.
SELECT width_bucket(bucket, %(starts)s::timestamptz[]) AS place, currency, sum(paid_minor) AS paid_minor,
       sum(payments) AS payments, sum(refunded_minor) AS refunded_minor, sum(lost_minor) AS lost_minor
FROM projection_payments.revenue
WHERE bucket >= %(first)s AND bucket < %(last)s
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: disputes
-- Disputes of all accounts, those that changed last first.
SELECT d.account_id, d.provider, d.payment_id, d.dispute_id, d.state, d.amount_minor, d.changed_at, d.version, p.currency,
       p.amount_minor AS paid_minor, p.refunded_minor, p.recorded_at AS paid_at
FROM projection_payments.disputes AS d
JOIN projection_payments.payments AS p USING (account_id, provider, payment_id)
WHERE (%(state)s::text IS NULL OR d.state = %(state)s)
  AND (%(before)s::timestamptz IS NULL
       OR (d.changed_at, d.account_id, d.version) < (%(before)s, %(account)s, %(version)s))
ORDER BY d.changed_at DESC, d.account_id DESC, d.version DESC
LIMIT %(limit)s;

-- name: page
-- Payments, newest first, each with the grants that it bought and what remains of them: 0 for a lot that has expired.
-- Of its disputes, those that are open count before those that were lost, and these before those that were won.
SELECT p.payment_id, p.provider, p.status, p.amount_minor, p.refunded_minor, p.currency, p.plan, p.recorded_at,
       p.refunded_at, p.version, p.subscription_id, p.reason, p.period_start, p.period_end, coalesce(bought.grants, '[]') AS grants,
       disputed.minor AS disputed_minor, disputed.state AS dispute_state
FROM projection_payments.payments AS p
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
        'grant_id', b.grant_id, 'kind', b.kind, 'amount', b.amount,
        'remaining', CASE WHEN g.expires_at <= %(now)s THEN 0 WHEN time.started THEN g.coming ELSE g.remaining END,
        'coming', CASE WHEN time.started THEN 0 ELSE g.coming END,
        'held', g.held, 'voided', g.voided, 'effective_at', g.effective_at, 'expires_at', b.expires_at
    ) ORDER BY g.number) AS grants
    FROM projection_payments.bought AS b
    LEFT JOIN projection_balances.grants AS g
        ON g.account_id = b.account_id AND g.number = substr(b.grant_id, 5)::bigint
    CROSS JOIN LATERAL (SELECT g.status = 'coming' AND g.effective_at <= %(now)s AS started) AS time
    WHERE b.account_id = p.account_id AND b.payment_id = p.payment_id
      AND (p.subscription_id IS NOT NULL
           OR substr(b.grant_id, 5)::bigint BETWEEN p.first_grant AND p.first_grant + p.grants - 1)
) AS bought ON true
CROSS JOIN LATERAL (
    SELECT coalesce(sum(d.amount_minor) FILTER (WHERE d.state <> 'won'), 0) AS minor,
           (array_agg(d.state ORDER BY array_position(ARRAY['open', 'lost', 'won'], d.state)))[1] AS state
    FROM projection_payments.disputes AS d
    WHERE d.account_id = p.account_id AND d.provider = p.provider AND d.payment_id = p.payment_id
) AS disputed
WHERE p.account_id = %(account)s AND p.version < %(before)s AND (%(status)s::text IS NULL OR p.status = %(status)s)
ORDER BY p.version DESC
LIMIT %(limit)s;

-- name: documented
-- The payments with an id, one for each provider, with the versions of the grants that each one bought, and its place among
-- the payments of its account and provider that were ever paid.
SELECT p.provider, p.status, p.version, p.plan, p.status = 'paid' OR p.refunded_at IS NOT NULL AS paid,
       ARRAY(
           SELECT substr(b.grant_id, 5)::bigint FROM projection_payments.bought AS b
           WHERE b.account_id = p.account_id AND b.payment_id = p.payment_id
             AND (p.subscription_id IS NOT NULL
                  OR substr(b.grant_id, 5)::bigint BETWEEN p.first_grant AND p.first_grant + p.grants - 1)
           ORDER BY 1
       ) AS grants,
       (SELECT count(*) FROM projection_payments.payments AS earlier
        WHERE earlier.account_id = p.account_id AND earlier.provider = p.provider AND earlier.version <= p.version
          AND (earlier.status = 'paid' OR earlier.refunded_at IS NOT NULL)) AS place
FROM projection_payments.payments AS p
WHERE p.account_id = %(account)s AND p.payment_id = %(payment)s
ORDER BY p.version;
