-- name: create
-- One row for each account and quarter of an hour (width 15), and one for each account and hour (width 60).
-- Sums are numeric, because the same credits may be granted and taken away any number of times.
-- A negative width has what must be added to the sums by the time of recording to get those by the time of occurrence.
CREATE TABLE rollups (
    account_id           text COLLATE "C" NOT NULL,
    width                smallint NOT NULL CHECK (width IN (15, 60, -15, -60)),
    bucket               timestamptz NOT NULL,
    granted              numeric NOT NULL,
    deducted             numeric NOT NULL,
    reversed             numeric NOT NULL,
    expired              numeric NOT NULL,
    voided               numeric NOT NULL,
    transferred          numeric NOT NULL,  -- signed
    grants               bigint NOT NULL,
    deductions           bigint NOT NULL,
    reversals            bigint NOT NULL,
    expiries             bigint NOT NULL,
    voids                bigint NOT NULL,
    transfers            bigint NOT NULL,
    closing_subscription bigint NOT NULL,
    closing_permanent    bigint NOT NULL,
    PRIMARY KEY (account_id, width, bucket)
) WITH (fillfactor = 80);

-- name: add
INSERT INTO rollups AS r (
    width, account_id, bucket, granted, deducted, reversed, expired, voided, transferred, grants, deductions, reversals,
    expiries, voids, transfers, closing_subscription, closing_permanent
)
SELECT %(width)s::smallint, * FROM unnest(
    %(accounts)s::text[], %(buckets)s::timestamptz[], %(granted)s::numeric[], %(deducted)s::numeric[],
    %(reversed)s::numeric[], %(expired)s::numeric[], %(voided)s::numeric[], %(transferred)s::numeric[],
    %(grants)s::bigint[], %(deductions)s::bigint[], %(reversals)s::bigint[], %(expiries)s::bigint[],
    %(voids)s::bigint[], %(transfers)s::bigint[],
    %(closing_subscription)s::bigint[], %(closing_permanent)s::bigint[]
)
ON CONFLICT (account_id, width, bucket) DO UPDATE SET
    granted = r.granted + excluded.granted,
    deducted = r.deducted + excluded.deducted,
    reversed = r.reversed + excluded.reversed,
    expired = r.expired + excluded.expired,
    voided = r.voided + excluded.voided,
    transferred = r.transferred + excluded.transferred,
    grants = r.grants + excluded.grants,
    deductions = r.deductions + excluded.deductions,
    reversals = r.reversals + excluded.reversals,
    expiries = r.expiries + excluded.expiries,
    voids = r.voids + excluded.voids,
    transfers = r.transfers + excluded.transfers,
    closing_subscription = excluded.closing_subscription,
    closing_permanent = excluded.closing_permanent;

-- name: sums
-- The sums of some pieces of time.
SELECT piece.place, sums.*
FROM unnest(%(places)s::integer[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(widths)s::integer[])
     AS piece (place, starts, ends, width)
CROSS JOIN LATERAL (
    SELECT sum(granted) AS granted, sum(deducted) AS deducted, sum(reversed) AS reversed, sum(expired) AS expired,
           sum(voided) AS voided, sum(transferred) AS transferred, sum(grants) AS grants,
           sum(deductions) AS deductions, sum(reversals) AS reversals, sum(expiries) AS expiries,
           sum(voids) AS voids, sum(transfers) AS transfers
    FROM projection_rollups.rollups AS r
    WHERE r.account_id = %(account)s AND r.width = piece.width AND r.bucket >= piece.starts AND r.bucket < piece.ends
) AS sums
WHERE sums.granted IS NOT NULL;

-- name: closings
-- The balance at some moments, each the start of a bucket: that after the last change before it.
SELECT moment.place, coalesce(last.closing_subscription, 0) AS subscription,
       coalesce(last.closing_permanent, 0) AS permanent
FROM unnest(%(moments)s::timestamptz[]) WITH ORDINALITY AS moment (at, place)
LEFT JOIN LATERAL (
    SELECT closing_subscription, closing_permanent FROM projection_rollups.rollups AS r
    WHERE r.account_id = %(account)s AND r.width = 15 AND r.bucket < moment.at
    ORDER BY r.bucket DESC LIMIT 1
) AS last ON true
ORDER BY moment.place;
