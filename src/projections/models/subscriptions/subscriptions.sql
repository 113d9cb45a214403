-- name: create
-- A subscription of which only payments are known has no status and no plan.
CREATE TABLE subscriptions (
    account_id        text COLLATE "C" NOT NULL,
    subscription_id   text COLLATE "C" NOT NULL,
    provider          text COLLATE "C" NOT NULL,
    version           bigint NOT NULL,      -- of the last event about it
    status            text,
    rank              bigint,               -- of the status: of two words of one time, the higher one holds
    as_of             timestamptz,
    started_at        timestamptz,
    plan              text,
    plan_version      bigint,
    quantity          bigint,
    credits           bigint,
    period_start      timestamptz,
    period_end        timestamptz,
    ends_at           timestamptz,
    next_plan         text,
    trial_ends_at     timestamptz,
    billed            bigint,               -- how long a payment pays for, in `billed_unit`
    billed_unit       text,
    paying_since      timestamptz,          -- when money was paid for it first
    payment_id        text,                 -- the last one, without those for a change
    paid_at           timestamptz,
    paid_minor        numeric,
    paid_currency     text,
    paid_until        timestamptz,
    next_allowance_at timestamptz,          -- when time alone grants the next allowance
    PRIMARY KEY (account_id, subscription_id)
) WITH (fillfactor = 80);
CREATE INDEX subscriptions_due ON subscriptions (next_allowance_at) WHERE next_allowance_at IS NOT NULL;
CREATE INDEX subscriptions_by_status ON subscriptions (status, plan, account_id);
CREATE INDEX subscriptions_paying ON subscriptions (paying_since) WHERE paying_since IS NOT NULL;

-- name: put
INSERT INTO subscriptions AS s (account_id, subscription_id, provider, version, next_allowance_at)
SELECT * FROM unnest(
    %(accounts)s::text[], %(subscriptions)s::text[], %(providers)s::text[], %(versions)s::bigint[],
    %(next)s::timestamptz[]
)
ON CONFLICT (account_id, subscription_id) DO UPDATE SET
    version = excluded.version,
    next_allowance_at = excluded.next_allowance_at;

-- name: add_words
-- Of the words of a batch, `times` is the newest one's. That a subscription has ended is final.
UPDATE subscriptions AS s SET
    started_at = least(s.started_at, r.start),
    status = CASE WHEN newer THEN r.status ELSE s.status END,
    rank = CASE WHEN newer THEN r.rank ELSE s.rank END,
    as_of = CASE WHEN newer THEN r.at ELSE s.as_of END,
    plan = CASE WHEN newer THEN r.plan ELSE s.plan END,
    plan_version = CASE WHEN newer THEN r.plan_version ELSE s.plan_version END,
    quantity = CASE WHEN newer THEN r.quantity ELSE s.quantity END,
    credits = CASE WHEN newer THEN r.credits ELSE s.credits END,
    period_start = CASE WHEN newer THEN r.period_start ELSE s.period_start END,
    period_end = CASE WHEN newer THEN r.period_end ELSE s.period_end END,
    ends_at = CASE WHEN newer THEN r.ends_at ELSE s.ends_at END,
    next_plan = CASE WHEN newer THEN r.next_plan ELSE s.next_plan END,
    trial_ends_at = CASE WHEN newer THEN r.trial_ends_at ELSE s.trial_ends_at END,
    billed = CASE WHEN newer THEN r.billed ELSE s.billed END,
    billed_unit = CASE WHEN newer THEN r.billed_unit ELSE s.billed_unit END
FROM unnest(
    %(accounts)s::text[], %(subscriptions)s::text[], %(statuses)s::text[], %(ranks)s::bigint[], %(plans)s::text[],
    %(plan_versions)s::bigint[], %(quantities)s::bigint[], %(credits)s::bigint[], %(times)s::timestamptz[],
    %(starts)s::timestamptz[], %(period_starts)s::timestamptz[], %(period_ends)s::timestamptz[],
    %(ends)s::timestamptz[], %(next_plans)s::text[], %(trial_ends)s::timestamptz[], %(billed)s::bigint[],
    %(billed_units)s::text[]
) AS r (
    account_id, subscription_id, status, rank, plan, plan_version, quantity, credits, at, start, period_start, period_end,
    ends_at, next_plan, trial_ends_at, billed, billed_unit
)
JOIN subscriptions AS known ON known.account_id = r.account_id AND known.subscription_id = r.subscription_id
CROSS JOIN LATERAL (
    SELECT known.status IS NULL
        OR (r.status = 'ended', r.at, r.rank) >= (known.status = 'ended', known.as_of, known.rank) AS newer
) AS order_of_words
WHERE s.account_id = r.account_id AND s.subscription_id = r.subscription_id;

-- name: add_payments
UPDATE subscriptions AS s SET
    payment_id = r.payment_id,
    paid_at = r.at,
    paid_minor = r.amount,
    paid_currency = r.currency,
    paid_until = r.period_end
FROM unnest(
    %(accounts)s::text[], %(subscriptions)s::text[], %(payments)s::text[], %(times)s::timestamptz[],
    %(amounts)s::numeric[], %(currencies)s::text[], %(period_ends)s::timestamptz[]
) AS r (account_id, subscription_id, payment_id, at, amount, currency, period_end)
WHERE s.account_id = r.account_id AND s.subscription_id = r.subscription_id
  AND (s.paid_at IS NULL OR (r.at, r.payment_id COLLATE "C") >= (s.paid_at, s.payment_id COLLATE "C"));

-- name: pay_since
UPDATE subscriptions AS s SET paying_since = least(s.paying_since, r.at)
FROM unnest(%(accounts)s::text[], %(subscriptions)s::text[], %(times)s::timestamptz[])
    AS r (account_id, subscription_id, at)
WHERE s.account_id = r.account_id AND s.subscription_id = r.subscription_id
  AND (s.paying_since IS NULL OR r.at < s.paying_since);

-- name: due
-- Accounts with an allowance that time alone grants and that is due, the longest overdue first.
SELECT account_id FROM projection_subscriptions.subscriptions
WHERE next_allowance_at <= %(now)s
ORDER BY next_allowance_at
LIMIT %(limit)s;

-- name: groups
-- Subscriptions by plan and status, and what was paid for their last period. Time ends them, whoever reports it.
SELECT plan, CASE WHEN ends_at <= %(now)s THEN 'ended' ELSE coalesce(status, unnamed) END AS status,
       ends_at IS NOT NULL AS ending, billed, billed_unit, paid_currency AS currency,
       count(*) AS count, coalesce(sum(paid_minor), 0) AS paid_minor
FROM projection_subscriptions.subscriptions
CROSS JOIN LATERAL (SELECT CASE WHEN paid_until > %(now)s THEN 'active' ELSE 'past_due' END AS unnamed) AS said
WHERE status IS DISTINCT FROM 'ended'
GROUP BY 1, 2, 3, 4, 5, 6;

-- name: paying
-- How many subscriptions began to be paid for in each span of time, and how many of those that are paid for ended in it:
-- `lost` are those of an earlier span. Place 0 is before all spans.
WITH lives AS (
    SELECT paying_since AS since,
           CASE WHEN status = 'ended' THEN least(ends_at, as_of) WHEN ends_at <= %(now)s THEN ends_at END AS until
    FROM projection_subscriptions.subscriptions
    WHERE paying_since IS NOT NULL
), places AS (
    SELECT width_bucket(since, %(starts)s::timestamptz[]) AS began,
           width_bucket(greatest(since, until), %(starts)s::timestamptz[]) AS ended, until IS NOT NULL AS is_over
    FROM lives
)
SELECT place, sum(began) AS began, sum(ended) AS ended, sum(lost) AS lost
FROM (
    SELECT began AS place, 1 AS began, 0 AS ended, 0 AS lost FROM places
    UNION ALL
    SELECT ended, 0, 1, (ended > began)::integer FROM places WHERE is_over
) AS counted
GROUP BY place
ORDER BY place;

-- name: page
-- Subscriptions of all accounts, in the order of accounts and ids. Time ends them, whoever reports it.
SELECT *
FROM (
    SELECT account_id, subscription_id, provider, plan, plan_version, quantity, period_start, period_end, paid_until,
           ends_at, next_plan, trial_ends_at, next_allowance_at, started_at, paying_since, as_of, version,
           CASE WHEN status = 'ended' OR ends_at <= %(now)s THEN 'ended'
                ELSE coalesce(status, CASE WHEN paid_until > %(now)s THEN 'active' ELSE 'past_due' END) END AS status
    FROM projection_subscriptions.subscriptions
    WHERE (account_id, subscription_id) > (%(account)s, %(subscription)s)
      AND (%(plan)s::text IS NULL OR plan = %(plan)s)
) AS now
WHERE %(status)s::text IS NULL OR status = %(status)s
ORDER BY account_id, subscription_id
LIMIT %(limit)s;

-- name: several
-- The subscriptions that run now, of accounts with more than one of them.
SELECT *
FROM (
    SELECT account_id, subscription_id, provider, plan, coalesce(status, 'active') AS status, period_end, ends_at,
           started_at, paid_minor, paid_currency, count(*) OVER (PARTITION BY account_id) AS of_account
    FROM projection_subscriptions.subscriptions
    WHERE coalesce(status, 'active') IN ('trialing', 'active', 'past_due') AND (ends_at IS NULL OR ends_at > %(now)s)
) AS running
WHERE of_account > 1
ORDER BY account_id, started_at, subscription_id
LIMIT %(limit)s;
