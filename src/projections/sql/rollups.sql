-- name: create
-- Sums are numeric: there is no limit to how often the same credits are granted and taken away.
CREATE TABLE rollups (
    account_id           text COLLATE "C" NOT NULL,
    bucket               timestamptz NOT NULL,
    granted              numeric NOT NULL,
    deducted             numeric NOT NULL,
    reversed             numeric NOT NULL,
    expired              numeric NOT NULL,
    voided               numeric NOT NULL,
    grants               bigint NOT NULL,
    deductions           bigint NOT NULL,
    reversals            bigint NOT NULL,
    expiries             bigint NOT NULL,
    voids                bigint NOT NULL,
    closing_subscription bigint NOT NULL,
    closing_permanent    bigint NOT NULL,
    PRIMARY KEY (account_id, bucket)
) WITH (fillfactor = 80);

-- name: add
INSERT INTO rollups AS r (
    account_id, bucket, granted, deducted, reversed, expired, voided, grants, deductions, reversals, expiries, voids,
    closing_subscription, closing_permanent
)
SELECT * FROM unnest(
    %(accounts)s::text[], %(buckets)s::timestamptz[], %(granted)s::numeric[], %(deducted)s::numeric[],
    %(reversed)s::numeric[], %(expired)s::numeric[], %(voided)s::numeric[], %(grants)s::bigint[],
    %(deductions)s::bigint[], %(reversals)s::bigint[], %(expiries)s::bigint[], %(voids)s::bigint[],
    %(closing_subscription)s::bigint[], %(closing_permanent)s::bigint[]
)
ON CONFLICT (account_id, bucket) DO UPDATE SET
    granted = r.granted + excluded.granted,
    deducted = r.deducted + excluded.deducted,
    reversed = r.reversed + excluded.reversed,
    expired = r.expired + excluded.expired,
    voided = r.voided + excluded.voided,
    grants = r.grants + excluded.grants,
    deductions = r.deductions + excluded.deductions,
    reversals = r.reversals + excluded.reversals,
    expiries = r.expiries + excluded.expiries,
    voids = r.voids + excluded.voids,
    closing_subscription = excluded.closing_subscription,
    closing_permanent = excluded.closing_permanent;
