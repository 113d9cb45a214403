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
-- What was measured of usage, by provider and model ('' where the usage names none): in each slot (models/measured.py) the
-- number of uses, and the total of what they say; for each quarter of an hour (width 15) and for each hour (width 60).
CREATE TABLE statistics_measured (
    bucket   timestamptz NOT NULL,
    count    bigint NOT NULL,
    width    smallint NOT NULL CHECK (width IN (15, 60)),
    slot     smallint NOT NULL,
    provider text COLLATE "C" NOT NULL,
    model    text COLLATE "C" NOT NULL,
    total    numeric NOT NULL,
    PRIMARY KEY (width, bucket, provider, model, slot)
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

-- name: add_measured
-- Add what was measured in quarters of an hour, and its sums by hour.
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        %(buckets)s::timestamptz[], %(providers)s::text[], %(models)s::text[], %(slots)s::integer[], %(counts)s::bigint[],
        %(totals)s::numeric[]
    ) AS given (bucket, provider, model, slot, count, total)
)
INSERT INTO statistics_measured AS m (width, bucket, provider, model, slot, count, total)
SELECT 15, * FROM given
UNION ALL
SELECT 60, date_bin('1 hour', bucket, 'epoch'::timestamptz), provider, model, slot, sum(count), sum(total)
FROM given GROUP BY 2, 3, 4, 5
ON CONFLICT (width, bucket, provider, model, slot) DO UPDATE SET
    count = m.count + excluded.count,
    total = m.total + excluded.total;

-- name: measured
-- What was measured in some pieces of time. Providers and models are ranked by how many uses say a duration or a failure;
-- those beyond the limit share a rank, and those of which neither is known have none.
WITH counted AS MATERIALIZED (
    SELECT m.provider, m.model, m.slot, sum(m.count) AS count, sum(m.total) AS total
    FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[], %(widths)s::integer[]) AS piece (starts, ends, width)
    JOIN projection_statistics.statistics_measured AS m
         ON m.width = piece.width AND m.bucket >= piece.starts AND m.bucket < piece.ends
    GROUP BY m.provider, m.model, m.slot
), ranked AS (
    SELECT provider, model, least(row_number() OVER (ORDER BY sum(count) DESC, provider, model), %(limit)s + 1) AS rank
    FROM counted WHERE slot >= %(least_slot)s GROUP BY provider, model
)
SELECT rank, CASE WHEN rank <= %(limit)s THEN provider END AS provider, CASE WHEN rank <= %(limit)s THEN model END AS model,
       slot, sum(count) AS count, sum(total) AS total
FROM counted LEFT JOIN ranked USING (provider, model)
GROUP BY 1, 2, 3, 4
ORDER BY rank;
