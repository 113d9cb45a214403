-- name: create
CREATE TABLE statistics (
    bucket       timestamptz PRIMARY KEY,
    granted      numeric NOT NULL,
    deducted     numeric NOT NULL,
    reversed     numeric NOT NULL,
    expired      numeric NOT NULL,
    voided       numeric NOT NULL,
    -- By how much the bucket changed the outstanding credits of each kind, signed.
    subscription numeric NOT NULL,
    permanent    numeric NOT NULL,
    -- What deductions asked for and was not available, and what of such amounts was waived.
    uncollected  numeric NOT NULL,
    waived       numeric NOT NULL,
    deductions   bigint NOT NULL,
    opened       bigint NOT NULL
) WITH (fillfactor = 50);

-- name: add
INSERT INTO statistics AS s (
    bucket, granted, deducted, reversed, expired, voided, subscription, permanent, uncollected, waived, deductions, opened
)
SELECT * FROM unnest(
    %(buckets)s::timestamptz[], %(granted)s::numeric[], %(deducted)s::numeric[], %(reversed)s::numeric[],
    %(expired)s::numeric[], %(voided)s::numeric[], %(subscription)s::numeric[], %(permanent)s::numeric[],
    %(uncollected)s::numeric[], %(waived)s::numeric[], %(deductions)s::bigint[], %(opened)s::bigint[]
)
ON CONFLICT (bucket) DO UPDATE SET
    granted = s.granted + excluded.granted,
    deducted = s.deducted + excluded.deducted,
    reversed = s.reversed + excluded.reversed,
    expired = s.expired + excluded.expired,
    voided = s.voided + excluded.voided,
    subscription = s.subscription + excluded.subscription,
    permanent = s.permanent + excluded.permanent,
    uncollected = s.uncollected + excluded.uncollected,
    waived = s.waived + excluded.waived,
    deductions = s.deductions + excluded.deductions,
    opened = s.opened + excluded.opened;

-- name: days
-- The sums of each span of time. Refusals are not among them: services count them, and no event records them.
SELECT width_bucket(bucket, %(starts)s::timestamptz[]) AS place,
       sum(granted) AS granted, sum(deducted) AS deducted, sum(reversed) AS reversed, sum(expired) AS expired,
       sum(voided) AS voided, sum(subscription) AS subscription, sum(permanent) AS permanent,
       sum(uncollected) AS uncollected, sum(waived) AS waived,
       sum(deductions) AS deductions, sum(opened) AS opened
FROM projection_statistics.statistics
WHERE bucket >= %(first)s AND bucket < %(last)s
GROUP BY 1;

-- name: outstanding
-- The outstanding credits at a moment.
SELECT coalesce(sum(subscription), 0) AS subscription, coalesce(sum(permanent), 0) AS permanent
FROM projection_statistics.statistics
WHERE bucket < %(first)s;
