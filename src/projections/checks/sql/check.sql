-- The check and the standing check. The caller fills in {table} and the other names in braces; see check.py.

-- name: lead_check
-- Whether this connection is the one that does the standing check, until it ends.
SELECT pg_try_advisory_lock(hashtextextended('projections.check', 0)) AS leads;

-- name: schemas
-- The oid of each schema name. A switch to another build changes it.
SELECT nspname::text AS name, oid::bigint AS id FROM pg_namespace WHERE nspname LIKE 'projection\_%%' ORDER BY 1;

-- name: empty_at_commit
-- Replace a table that a projection's `create` has just made by a temporary one that is empty in each transaction. Unlike
-- TRUNCATE, that writes nothing to the catalog later. Views of the first table go with it.
ALTER TABLE {table} RENAME TO form;
CREATE TEMPORARY TABLE {table} (LIKE form INCLUDING ALL) ON COMMIT DELETE ROWS;
DROP TABLE form CASCADE;

-- name: differing
-- Rows that are expected but not found, and rows that are found but not expected: at most {limit} of each account.
WITH found AS (
    SELECT * FROM {live} WHERE {scope}
), wrong AS (
    SELECT 'expected' AS side, to_jsonb(e) AS line FROM (TABLE {refolded} EXCEPT ALL TABLE found) AS e
    UNION ALL
    SELECT 'found', to_jsonb(f) FROM (TABLE found EXCEPT ALL TABLE {refolded}) AS f
), numbered AS (
    SELECT side, line, dense_rank() OVER (PARTITION BY line -> 'account_id' ORDER BY {places}) AS n FROM wrong
)
SELECT side, line FROM numbered WHERE n <= {limit} ORDER BY line -> 'account_id', n;

-- name: of_accounts
account_id = ANY (%(accounts)s)

-- name: of_what_is_expected
({key}) IN (SELECT {key} FROM {refolded})

-- name: using_groups
-- The accounts whose usage uses one of some groups.
SELECT u.group_id::text AS group_id, u.account_id FROM pg_temp.usage AS u WHERE u.group_id = ANY (%(groups)s::uuid[])
UNION
SELECT m.group_id::text, m.account_id FROM pg_temp.usage_measured AS m WHERE m.group_id = ANY (%(groups)s::uuid[])
ORDER BY 1, 2;

-- The statements `known_*` read, for each table, those values of accounts that the domain knows too.

-- name: known_accounts
SELECT account_id, NULL AS number, version, standing, last_activity_at, subscription, permanent, held, total,
       subscription_expire_at, successor
FROM projection_balances.accounts WHERE account_id = ANY (%(accounts)s);

-- name: known_labels
SELECT account_id, NULL AS number, json_object_agg(name, value) AS labels
FROM projection_balances.labels WHERE account_id = ANY (%(accounts)s) GROUP BY account_id;

-- name: known_grants
SELECT account_id, number, kind, remaining, coming, expires_at
FROM projection_balances.grants WHERE account_id = ANY (%(accounts)s) AND (remaining > 0 OR coming > 0);

-- name: known_holds
SELECT account_id, number, held, expires_at
FROM projection_balances.holds WHERE account_id = ANY (%(accounts)s) AND status = 'open';

-- name: known_entries
-- The sums of all entries, and the balance on the last one.
SELECT a.account_id, NULL AS number, coalesce(sums.subscription, 0) AS "sum of subscription",
       coalesce(sums.permanent, 0) AS "sum of permanent", coalesce(last.balance, 0) AS "last balance"
FROM unnest(%(accounts)s::text[]) AS a (account_id)
LEFT JOIN LATERAL (
    SELECT sum(subscription) AS subscription, sum(permanent) AS permanent
    FROM projection_history.entries AS e WHERE e.account_id = a.account_id
) AS sums ON true
LEFT JOIN LATERAL (
    SELECT balance FROM projection_history.entries AS e WHERE e.account_id = a.account_id
    ORDER BY recorded_at DESC, sequence DESC LIMIT 1
) AS last ON true;

-- name: known_rollups
-- The sums of all buckets of each width, and the closing balance of the last one. `number` is the width.
SELECT a.account_id, w.width AS number, coalesce(last.subscription, 0) AS "last subscription",
       coalesce(last.permanent, 0) AS "last permanent", coalesce(sums.total, 0) AS sum
FROM unnest(%(accounts)s::text[]) AS a (account_id)
CROSS JOIN (VALUES (15), (60)) AS w (width)
LEFT JOIN LATERAL (
    SELECT sum(granted - deducted + reversed - expired - voided + transferred) AS total
    FROM projection_rollups.rollups AS r WHERE r.account_id = a.account_id AND r.width = w.width
) AS sums ON true
LEFT JOIN LATERAL (
    SELECT closing_subscription AS subscription, closing_permanent AS permanent
    FROM projection_rollups.rollups AS r WHERE r.account_id = a.account_id AND r.width = w.width
    ORDER BY bucket DESC LIMIT 1
) AS last ON true;

-- name: totals
-- The sums over all accounts that must be equal when all projections are at the same position. The others are compared
-- with the history, because each of its lines is about one event; the history itself is checked account by account.
WITH lines AS MATERIALIZED (
    SELECT date_bin('15 minutes', recorded_at, 'epoch'::timestamptz) AS bucket,
           coalesce(sum(credits) FILTER (WHERE type = 'grant'), 0) AS granted,
           coalesce(-sum(credits) FILTER (WHERE type IN ('deduction', 'capture')), 0) AS deducted,
           coalesce(sum(credits) FILTER (WHERE type = 'reversal'), 0) AS reversed,
           coalesce(-sum(credits) FILTER (WHERE type IN ('expiry', 'reinstatement')), 0) AS expired,
           coalesce(-sum(credits) FILTER (WHERE type = 'void'), 0) AS voided,
           coalesce(sum(credits) FILTER (WHERE type = 'transfer'), 0) AS transferred,
           count(*) FILTER (WHERE type = 'grant') AS grants,
           count(*) FILTER (WHERE type IN ('deduction', 'capture')) AS deductions,
           count(*) FILTER (WHERE type = 'reversal') AS reversals,
           count(*) FILTER (WHERE type IN ('expiry', 'reinstatement')) AS expiries,
           count(*) FILTER (WHERE type = 'void') AS voids,
           count(*) FILTER (WHERE type = 'transfer') AS transfers,
           coalesce(sum(uncollected) FILTER (WHERE type IN ('deduction', 'capture')), 0) AS uncollected,
           coalesce(-sum(uncollected) FILTER (WHERE type = 'reversal'), 0) AS waived,
           sum(subscription) AS subscription,
           sum(permanent) AS permanent
    FROM (SELECT *, subscription + permanent AS credits FROM projection_history.entries) AS e
    GROUP BY 1
), opened AS (
    SELECT date_bin('15 minutes', opened_at, 'epoch'::timestamptz) AS bucket, count(*) AS opened
    FROM projection_balances.accounts GROUP BY 1
), of_statistics AS (
    SELECT bucket, granted, deducted, reversed, expired, voided, subscription, permanent, uncollected, waived,
           deductions, opened
    FROM lines FULL JOIN opened USING (bucket)
), of_rollups AS (
    SELECT width, bucket, sum(granted) AS granted, sum(deducted) AS deducted, sum(reversed) AS reversed,
           sum(expired) AS expired, sum(voided) AS voided, sum(transferred) AS transferred, sum(grants) AS grants,
           sum(deductions) AS deductions, sum(reversals) AS reversals, sum(expiries) AS expiries, sum(voids) AS voids,
           sum(transfers) AS transfers
    FROM projection_rollups.rollups GROUP BY width, bucket
), of_hours AS (
    SELECT date_bin('1 hour', bucket, 'epoch'::timestamptz) AS bucket, sum(granted) AS granted,
           sum(deducted) AS deducted, sum(reversed) AS reversed, sum(expired) AS expired, sum(voided) AS voided,
           sum(transferred) AS transferred, sum(grants) AS grants, sum(deductions) AS deductions,
           sum(reversals) AS reversals, sum(expiries) AS expiries, sum(voids) AS voids, sum(transfers) AS transfers,
           sum(uncollected) AS uncollected
    FROM lines GROUP BY 1
), of_usage AS (
    -- Joined with the groups, because a sum over any of their dimensions is a sum of these rows.
    SELECT width, bucket, sum(credits) AS deducted, sum(uncollected) AS uncollected, sum(count) AS deductions
    FROM projection_usage.usage JOIN projection_usage.groups USING (group_id) GROUP BY width, bucket
), compared AS (
    SELECT 'statistics' AS projection, 'statistics' AS name, jsonb_build_object('bucket', bucket) AS key,
           CASE WHEN e.bucket IS NOT NULL THEN jsonb_build_object(
               'granted', coalesce(e.granted, 0), 'deducted', coalesce(e.deducted, 0),
               'reversed', coalesce(e.reversed, 0), 'expired', coalesce(e.expired, 0),
               'voided', coalesce(e.voided, 0), 'subscription', coalesce(e.subscription, 0),
               'permanent', coalesce(e.permanent, 0), 'uncollected', coalesce(e.uncollected, 0),
               'waived', coalesce(e.waived, 0), 'deductions', coalesce(e.deductions, 0),
               'opened', coalesce(e.opened, 0)) END AS expected,
           to_jsonb(f) - 'bucket' AS found
    FROM of_statistics AS e FULL JOIN projection_statistics.statistics AS f USING (bucket)
    UNION ALL
    -- By the time of recording, as all statistics are.
    SELECT 'statistics', 'statistics_measured',
           jsonb_build_object('width', width, 'bucket', bucket, 'provider', provider, 'model', model, 'slot', slot),
           to_jsonb(e) - '{width,bucket,provider,model,slot}'::text[],
           to_jsonb(f) - '{width,bucket,provider,model,slot}'::text[]
    FROM (
        SELECT width, bucket, coalesce(provider, '') AS provider, coalesce(model, '') AS model, slot,
               sum(count) AS count, sum(total) AS total
        FROM projection_usage.usage_measured JOIN projection_usage.groups USING (group_id)
        WHERE width > 0 GROUP BY 1, 2, 3, 4, 5
    ) AS e
    FULL JOIN projection_statistics.statistics_measured AS f USING (width, bucket, provider, model, slot)
    UNION ALL
    SELECT 'rollups', 'rollups', jsonb_build_object('width', 15, 'bucket', bucket),
           to_jsonb(e) - '{bucket,subscription,permanent,uncollected,waived}'::text[], to_jsonb(f) - '{width,bucket}'::text[]
    FROM lines AS e FULL JOIN (SELECT * FROM of_rollups WHERE width = 15) AS f USING (bucket)
    UNION ALL
    SELECT 'rollups', 'rollups', jsonb_build_object('width', 60, 'bucket', bucket),
           to_jsonb(e) - '{bucket,uncollected}'::text[], to_jsonb(f) - '{width,bucket}'::text[]
    FROM of_hours AS e FULL JOIN (SELECT * FROM of_rollups WHERE width = 60) AS f USING (bucket)
    UNION ALL
    SELECT 'usage', 'usage', jsonb_build_object('width', 15, 'bucket', bucket),
           jsonb_build_object(
               'deducted', e.deducted, 'uncollected', e.uncollected, 'deductions', e.deductions
           ), to_jsonb(f) - '{width,bucket}'::text[]
    FROM (SELECT * FROM lines WHERE deductions > 0) AS e
    FULL JOIN (SELECT * FROM of_usage WHERE width = 15) AS f USING (bucket)
    UNION ALL
    SELECT 'usage', 'usage', jsonb_build_object('width', 60, 'bucket', bucket),
           jsonb_build_object(
               'deducted', e.deducted, 'uncollected', e.uncollected, 'deductions', e.deductions
           ), to_jsonb(f) - '{width,bucket}'::text[]
    FROM (SELECT * FROM of_hours WHERE deductions > 0) AS e
    FULL JOIN (SELECT * FROM of_usage WHERE width = 60) AS f USING (bucket)
    UNION ALL
    SELECT 'balances', 'accounts', '{}'::jsonb, to_jsonb(e), to_jsonb(f)
    FROM (SELECT coalesce(sum(subscription), 0) AS subscription, coalesce(sum(permanent), 0) AS permanent
          FROM lines) AS e
    CROSS JOIN (SELECT coalesce(sum(subscription), 0) AS subscription, coalesce(sum(permanent), 0) AS permanent
                FROM projection_balances.accounts) AS f
    UNION ALL
    SELECT 'usage', 'groups', jsonb_build_object('group_id', group_id), to_jsonb(e) - 'group_id',
           to_jsonb(f) - 'group_id'
    FROM (SELECT group_id FROM projection_usage.usage UNION SELECT group_id FROM projection_usage.usage_measured) AS e
    FULL JOIN projection_usage.groups AS f USING (group_id)
    WHERE e.group_id IS NULL OR f.group_id IS NULL
    UNION ALL
    -- Of each transfer: what one account sent, the other received as the same kind, and what one sent back, came back.
    SELECT 'history', 'entries', jsonb_build_object('accounts', accounts, 'transfer_id', transfer_id),
           jsonb_build_object('subscription', 0, 'permanent', 0),
           jsonb_build_object('subscription', sum(subscription), 'permanent', sum(permanent))
    FROM (
        SELECT subscription, permanent, transfer_id, jsonb_build_array(
            least(account_id, other_account_id COLLATE "C"), greatest(account_id, other_account_id COLLATE "C")
        ) AS accounts
        FROM projection_history.entries WHERE type = 'transfer'
    ) AS transfers
    GROUP BY accounts, transfer_id
    UNION ALL
    -- Of each lot that was received: it is of the kind, the source and the date of the grant from which it was sent.
    SELECT 'balances', 'grants', jsonb_build_object('account', r.account_id, 'number', r.number),
           CASE WHEN s.number IS NOT NULL THEN jsonb_build_object(
               'kind', s.kind, 'source', s.source, 'granted_at', s.granted_at) END,
           jsonb_build_object('kind', r.kind, 'source', r.source, 'granted_at', r.granted_at)
    FROM projection_balances.grants AS r
    LEFT JOIN projection_balances.grants AS s
        ON s.account_id = r.from_account_id AND s.number = substr(r.from_grant_id, 5)::bigint
    WHERE r.from_account_id IS NOT NULL
    UNION ALL
    -- Rows of no account, which the views leave out.
    SELECT 'history', 'entries', jsonb_build_object('account', account), NULL, jsonb_build_object('rows', count(*))
    FROM projection_history.entry_rows
    WHERE account NOT IN (SELECT number FROM projection_history.history_accounts) GROUP BY account
    UNION ALL
    SELECT 'usage', 'usage', jsonb_build_object('account', account), NULL, jsonb_build_object('rows', count(*))
    FROM projection_usage.usage_rows
    WHERE account NOT IN (SELECT number FROM projection_usage.usage_accounts) GROUP BY account
    UNION ALL
    SELECT 'usage', 'usage_measured', jsonb_build_object('account', account), NULL, jsonb_build_object('rows', count(*))
    FROM projection_usage.measured_rows
    WHERE account NOT IN (SELECT number FROM projection_usage.usage_accounts) GROUP BY account
)
SELECT projection, name, key, expected, found FROM compared
WHERE expected IS DISTINCT FROM found
ORDER BY projection, name, key
LIMIT %(limit)s;

-- name: next_accounts
-- A page of the account ids of one table above `after`, sorted. It goes from one id to the next by index; DISTINCT would
-- read every row.
WITH RECURSIVE ids AS (
    (SELECT account_id AS id FROM {table} WHERE account_id > %(after)s ORDER BY account_id LIMIT 1)
    UNION ALL
    SELECT (SELECT t.account_id FROM {table} AS t WHERE t.account_id > ids.id ORDER BY t.account_id LIMIT 1)
    FROM ids WHERE ids.id IS NOT NULL
)
SELECT id FROM ids WHERE id IS NOT NULL LIMIT %(limit)s;

-- name: accounts_at
-- The accounts whose events are at some positions.
SELECT DISTINCT account_id FROM ledger.event_log WHERE position = ANY (%(positions)s);

-- name: log_end
SELECT coalesce(max(position), 0) AS position FROM ledger.event_log;

-- name: how_many
-- Every account has one first event.
SELECT count(*) AS accounts FROM ledger.event_log WHERE version = 1;

-- name: without_events
-- Those of some accounts that have no events.
SELECT a.account_id FROM unnest(%(accounts)s::text[]) WITH ORDINALITY AS a (account_id, n)
WHERE NOT EXISTS (SELECT FROM ledger.event_log AS e WHERE e.account_id = a.account_id)
ORDER BY a.n;

-- The stored state of the standing check.

-- name: place
SELECT account_id, checked, rounds FROM projections.checks;

-- name: move
-- Store where the check continues, and how much it has done.
INSERT INTO projections.checks AS c (account_id, checked, rounds)
VALUES (%(account_id)s, %(checked)s, %(rounds)s)
ON CONFLICT (one) DO UPDATE SET
    account_id = excluded.account_id,
    checked = c.checked + excluded.checked,
    rounds = c.rounds + excluded.rounds;

-- name: to_recheck
-- Some accounts with known differences, which are checked again before the next round reaches them.
SELECT account_id FROM (SELECT DISTINCT account_id FROM projections.drift WHERE account_id <> '') AS d
ORDER BY random() LIMIT %(limit)s;

-- name: delete_gone
-- Delete differences that were compared again and no longer exist.
DELETE FROM projections.drift
WHERE account_id = ANY (%(accounts)s) AND projection = ANY (%(projections)s)
  AND (account_id, projection) NOT IN (SELECT * FROM unnest(%(wrong)s::text[], %(of)s::text[]));

-- name: store
-- Store differences, and return for each whether it is new, so that it is logged once: an existing row has an xmax.
INSERT INTO projections.drift AS d (account_id, projection, position, detail)
SELECT * FROM unnest(%(accounts)s::text[], %(projections)s::text[], %(positions)s::bigint[], %(details)s::text[])
ON CONFLICT (account_id, projection) DO UPDATE SET position = excluded.position, detail = excluded.detail
RETURNING xmax = 0 AS new, projection, position, detail;

-- name: drift
SELECT account_id, projection FROM projections.drift ORDER BY found_at, account_id, projection LIMIT %(limit)s;
