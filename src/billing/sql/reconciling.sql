-- What is asked of the inbox when a provider is read again. Times come from the service.

-- name: newest_words
-- Of each of some subscriptions, the newest word.
SELECT DISTINCT ON (about) kind, thing, fact
FROM billing.facts
WHERE kind = 'SubscriptionSeen' AND about && %(subscriptions)s::text[]
ORDER BY about, (fact ->> 'as_of')::timestamptz DESC, thing DESC;

-- name: known_links
SELECT thing, belongs_to
FROM billing.links
JOIN unnest(%(things)s::text[], %(belongs_to)s::text[]) AS w (thing, belongs_to) USING (thing, belongs_to);

-- name: overdue
-- Subscriptions whose newest word is about a period that is over, or for whose period no payment has been heard of.
-- Those whose period ended last come first.
WITH words AS (
    SELECT DISTINCT ON (about) about[1] AS subscription, fact ->> 'status' AS status,
        (fact ->> 'as_of')::timestamptz AS as_of, (fact ->> 'period_start')::timestamptz AS period_start,
        (fact ->> 'period_end')::timestamptz AS period_end
    FROM billing.facts
    WHERE kind = 'SubscriptionSeen' AND starts_with(thing, concat(%(provider)s::text, ':'))
    ORDER BY about, fact ->> 'status' = 'ended' DESC, (fact ->> 'as_of')::timestamptz DESC
), paid AS (
    SELECT fact ->> 'subscription_id' AS subscription, max((fact ->> 'at')::timestamptz) AS last_at
    FROM billing.facts
    WHERE kind = 'PaymentSeen' AND fact ->> 'status' = 'paid' AND starts_with(thing, concat(%(provider)s::text, ':'))
    GROUP BY 1
)
SELECT subscription
FROM words LEFT JOIN paid USING (subscription)
WHERE status <> 'ended' AND (
    coalesce(period_end, as_of) < %(before)s
    -- A payment may be made some time before its period begins.
    OR status = 'active' AND period_start < %(before)s
        AND coalesce(last_at < period_start - interval '1 day', true)
)
ORDER BY coalesce(period_end, as_of) DESC
LIMIT %(limit)s;

-- name: reconciled
SELECT provider, upto FROM billing.reconciled;

-- name: note_reconciled
INSERT INTO billing.reconciled (provider, upto) VALUES (%(provider)s, %(upto)s)
ON CONFLICT (provider) DO UPDATE SET upto = greatest(reconciled.upto, excluded.upto);

-- name: lead_reconciler
-- Try to become the connection that reads providers again. It keeps the lock until it ends.
SELECT pg_try_advisory_lock(hashtextextended('billing.reconciler', 0)) AS leads;
