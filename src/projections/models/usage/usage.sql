-- name: create
CREATE TABLE groups (
    group_id uuid PRIMARY KEY,
    provider text,
    model    text,
    project  text,
    member   text,
    metric   text,
    key      text,
    agent    text
);
-- Every account of the log. Its number is the position of its first event.
CREATE TABLE usage_accounts (
    number     bigint PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL UNIQUE
);
-- One row for each account, group and quarter of an hour (width 15), and one for each hour (width 60). Rows are narrow,
-- because there are many: the view below shows the ids of accounts. Sums are numeric, because they may be large and most
-- are small. The columns are in an order in which none is padded. A negative width has what must be added to the sums by the
-- time of recording to get those by the time at which usage occurred.
CREATE TABLE usage_rows (
    account       bigint NOT NULL,
    bucket        timestamptz NOT NULL,
    count         bigint NOT NULL,
    width         smallint NOT NULL CHECK (width IN (15, 60, -15, -60)),
    group_id      uuid NOT NULL,
    credits       numeric NOT NULL,
    input_tokens  numeric NOT NULL,
    output_tokens numeric NOT NULL,
    cached_tokens numeric NOT NULL,
    uncollected   numeric NOT NULL,
    PRIMARY KEY (account, width, bucket, group_id)
) WITH (fillfactor = 90);
-- What was measured of the same usage, where it says more than credits and tokens: in each slot (models/measured.py) the
-- number of deductions, and the total of what they say.
CREATE TABLE measured_rows (
    account  bigint NOT NULL,
    bucket   timestamptz NOT NULL,
    count    bigint NOT NULL,
    width    smallint NOT NULL CHECK (width IN (15, 60, -15, -60)),
    slot     smallint NOT NULL,
    group_id uuid NOT NULL,
    total    numeric NOT NULL,
    PRIMARY KEY (account, width, bucket, group_id, slot)
) WITH (fillfactor = 90);

-- name: views
CREATE VIEW usage AS
SELECT a.account_id, u.width, u.bucket, u.group_id, u.credits, u.input_tokens, u.output_tokens, u.cached_tokens,
       u.uncollected, u.count
FROM usage_rows AS u JOIN usage_accounts AS a ON a.number = u.account;
CREATE VIEW usage_measured AS
SELECT a.account_id, m.width, m.bucket, m.group_id, m.slot, m.count, m.total
FROM measured_rows AS m JOIN usage_accounts AS a ON a.number = m.account;

-- name: add_accounts
INSERT INTO usage_accounts (number, account_id) SELECT * FROM unnest(%(numbers)s::bigint[], %(accounts)s::text[]);

-- name: add_groups
INSERT INTO groups (group_id, provider, model, project, member, metric, key, agent)
SELECT * FROM unnest(
    %(group_ids)s::text[]::uuid[], %(provider)s::text[], %(model)s::text[], %(project)s::text[], %(member)s::text[],
    %(metric)s::text[], %(key)s::text[], %(agent)s::text[]
)
ON CONFLICT (group_id) DO NOTHING;

-- name: add
-- Add the sums of quarters of an hour, and their sums by hour. `whose` is the place of an account among those of the batch.
WITH known AS MATERIALIZED (
    SELECT array_agg((SELECT a.number FROM usage_accounts AS a WHERE a.account_id = named.account_id) ORDER BY place)
           AS numbers
    FROM unnest(%(accounts)s::text[]) WITH ORDINALITY AS named (account_id, place)
), given AS MATERIALIZED (
    SELECT g.width, known.numbers[g.whose] AS account, g.bucket, g.group_id::uuid AS group_id, g.credits, g.input_tokens,
           g.output_tokens, g.cached_tokens, g.uncollected, g.count
    FROM unnest(
        %(whose)s::bigint[], %(widths)s::integer[], %(buckets)s::timestamptz[], %(group_ids)s::text[],
        %(credits)s::numeric[], %(input_tokens)s::numeric[], %(output_tokens)s::numeric[], %(cached_tokens)s::numeric[],
        %(uncollected)s::numeric[], %(counts)s::bigint[]
    ) AS g (whose, width, bucket, group_id, credits, input_tokens, output_tokens, cached_tokens, uncollected, count), known
)
INSERT INTO usage_rows AS u (
    width, account, bucket, group_id, credits, input_tokens, output_tokens, cached_tokens, uncollected, count
)
SELECT * FROM given
UNION ALL
SELECT 4 * width, account, date_bin('1 hour', bucket, 'epoch'::timestamptz), group_id, sum(credits),
       sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(uncollected), sum(count)
FROM given GROUP BY 1, 2, 3, 4
ON CONFLICT (account, width, bucket, group_id) DO UPDATE SET
    credits = u.credits + excluded.credits,
    input_tokens = u.input_tokens + excluded.input_tokens,
    output_tokens = u.output_tokens + excluded.output_tokens,
    cached_tokens = u.cached_tokens + excluded.cached_tokens,
    uncollected = u.uncollected + excluded.uncollected,
    count = u.count + excluded.count;

-- name: add_measured
-- The same for what was measured.
WITH known AS MATERIALIZED (
    SELECT array_agg((SELECT a.number FROM usage_accounts AS a WHERE a.account_id = named.account_id) ORDER BY place)
           AS numbers
    FROM unnest(%(accounts)s::text[]) WITH ORDINALITY AS named (account_id, place)
), given AS MATERIALIZED (
    SELECT g.width, known.numbers[g.whose] AS account, g.bucket, g.group_id::uuid AS group_id, g.slot, g.count, g.total
    FROM unnest(
        %(whose)s::bigint[], %(widths)s::integer[], %(buckets)s::timestamptz[], %(group_ids)s::text[],
        %(slots)s::integer[], %(counts)s::bigint[], %(totals)s::numeric[]
    ) AS g (whose, width, bucket, group_id, slot, count, total), known
)
INSERT INTO measured_rows AS m (width, account, bucket, group_id, slot, count, total)
SELECT * FROM given
UNION ALL
SELECT 4 * width, account, date_bin('1 hour', bucket, 'epoch'::timestamptz), group_id, slot, sum(count), sum(total)
FROM given GROUP BY 1, 2, 3, 4, 5
ON CONFLICT (account, width, bucket, group_id, slot) DO UPDATE SET
    count = m.count + excluded.count,
    total = m.total + excluded.total;

-- name: read
-- Sums by span and group, for the requested dimensions. Groups are ranked by their credits over all spans; those beyond the
-- limit are added up in one row without a key. `slots`, `counts` and `totals` have what was measured, if anything was.
WITH piece AS MATERIALIZED (
    SELECT * FROM unnest(%(places)s::integer[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(widths)s::integer[])
         AS piece (place, starts, ends, width)
), named AS NOT MATERIALIZED (
    SELECT group_id,
           ARRAY[
               CASE WHEN 'provider' = ANY (%(by)s::text[]) THEN provider END,
               CASE WHEN 'model' = ANY (%(by)s::text[]) THEN model END,
               CASE WHEN 'project' = ANY (%(by)s::text[]) THEN project END,
               CASE WHEN 'member' = ANY (%(by)s::text[]) THEN member END,
               CASE WHEN 'metric' = ANY (%(by)s::text[]) THEN metric END,
               CASE WHEN 'key' = ANY (%(by)s::text[]) THEN key END,
               CASE WHEN 'agent' = ANY (%(by)s::text[]) THEN agent END
           ] AS key
    FROM projection_usage.groups
), found AS MATERIALIZED (
    SELECT piece.place, named.key, u.credits, u.input_tokens, u.output_tokens, u.cached_tokens, u.uncollected, u.count
    FROM piece
    CROSS JOIN LATERAL (
        SELECT group_id, sum(credits) AS credits, sum(input_tokens) AS input_tokens,
               sum(output_tokens) AS output_tokens, sum(cached_tokens) AS cached_tokens,
               sum(uncollected) AS uncollected, sum(count) AS count
        FROM projection_usage.usage_rows
        WHERE account = (SELECT number FROM projection_usage.usage_accounts WHERE account_id = %(account)s)
          AND width = piece.width AND bucket >= piece.starts AND bucket < piece.ends
        GROUP BY group_id
    ) AS u
    JOIN named USING (group_id)
), counted AS MATERIALIZED (
    SELECT piece.place, named.key, m.slot, m.count, m.total
    FROM piece
    CROSS JOIN LATERAL (
        SELECT group_id, slot, sum(count) AS count, sum(total) AS total
        FROM projection_usage.measured_rows
        WHERE account = (SELECT number FROM projection_usage.usage_accounts WHERE account_id = %(account)s)
          AND width = piece.width AND bucket >= piece.starts AND bucket < piece.ends
        GROUP BY group_id, slot
    ) AS m
    JOIN named USING (group_id)
), ranked AS MATERIALIZED (
    -- By the time of occurrence, sums may be 0 where everything moved away: there is no such group.
    SELECT key, least(row_number() OVER (ORDER BY sum(credits) DESC, key), %(limit)s + 1) AS rank
    FROM (
        SELECT key, sum(credits) AS credits FROM found GROUP BY key HAVING sum(count) <> 0
        UNION ALL
        SELECT key, 0 FROM counted GROUP BY key, slot HAVING sum(count) <> 0
    ) AS keys
    GROUP BY key
), shown AS (
    SELECT place, rank, sum(credits) AS credits, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
           sum(cached_tokens) AS cached_tokens, sum(uncollected) AS uncollected, sum(count) AS count
    FROM found JOIN ranked USING (key)
    GROUP BY place, rank
    HAVING sum(count) <> 0
), measured AS (
    SELECT place, rank, array_agg(slot::integer) AS slots, array_agg(count) AS counts, array_agg(total) AS totals
    FROM (
        SELECT place, rank, slot, sum(count) AS count, sum(total) AS total
        FROM counted JOIN ranked USING (key)
        GROUP BY place, rank, slot
        HAVING sum(count) <> 0
    ) AS sums
    GROUP BY place, rank
)
SELECT place, rank, (SELECT key FROM ranked AS r WHERE r.rank = both_.rank AND rank <= %(limit)s) AS key,
       coalesce(credits, 0) AS credits, coalesce(input_tokens, 0) AS input_tokens,
       coalesce(output_tokens, 0) AS output_tokens, coalesce(cached_tokens, 0) AS cached_tokens,
       coalesce(uncollected, 0) AS uncollected, coalesce(count, 0) AS count, slots, counts, totals
FROM (shown FULL JOIN measured USING (place, rank)) AS both_
ORDER BY place, rank;

-- name: measured_by_span
-- What was measured in each of some spans.
SELECT piece.place, m.slot, sum(m.count) AS count, sum(m.total) AS total
FROM unnest(%(places)s::integer[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(widths)s::integer[])
     AS piece (place, starts, ends, width)
CROSS JOIN LATERAL (
    SELECT slot, sum(count) AS count, sum(total) AS total
    FROM projection_usage.measured_rows
    WHERE account = (SELECT number FROM projection_usage.usage_accounts WHERE account_id = %(account)s)
      AND width = piece.width AND bucket >= piece.starts AND bucket < piece.ends
    GROUP BY slot
) AS m
GROUP BY piece.place, m.slot
HAVING sum(m.count) <> 0;

-- name: measured
-- What was measured in some pieces of time: of each model, and in total. With `member`, of this one alone.
SELECT grouping(g.model) = 0 AS is_model, g.model AS name, m.slot, sum(m.count) AS count, sum(m.total) AS total
FROM unnest(%(places)s::integer[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(widths)s::integer[])
     AS piece (place, starts, ends, width)
CROSS JOIN LATERAL (
    SELECT group_id, slot, sum(count) AS count, sum(total) AS total
    FROM projection_usage.measured_rows
    WHERE account = (SELECT number FROM projection_usage.usage_accounts WHERE account_id = %(account)s)
      AND width = piece.width AND bucket >= piece.starts AND bucket < piece.ends
    GROUP BY group_id, slot
) AS m
JOIN projection_usage.groups AS g USING (group_id)
WHERE %(member)s::text IS NULL OR g.member = %(member)s
GROUP BY GROUPING SETS ((m.slot), (g.model, m.slot))
HAVING sum(m.count) <> 0;

-- name: breakdown
-- The usage of some days: in total, by provider, model, project and member, and by project and by day for the largest
-- providers. `series` is the rank of a provider; those beyond the last rank share one. The pieces of a day are added up
-- first, so that the many sums below are made from few rows. With `member`, the usage of this one alone.
WITH daily AS MATERIALIZED (
    SELECT piece.day, sums.*
    FROM unnest(%(places)s::integer[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(widths)s::integer[])
         AS piece (day, starts, ends, width)
    CROSS JOIN LATERAL (
        SELECT group_id, sum(credits) AS credits, sum(input_tokens) AS input_tokens,
               sum(output_tokens) AS output_tokens, sum(cached_tokens) AS cached_tokens,
               sum(uncollected) AS uncollected, sum(count) AS count
        FROM projection_usage.usage_rows
        WHERE account = (SELECT number FROM projection_usage.usage_accounts WHERE account_id = %(account)s)
          AND width = piece.width AND bucket >= piece.starts AND bucket < piece.ends
        GROUP BY group_id
    ) AS sums
), used AS (
    SELECT g.group_id, g.provider, g.model, g.project, g.member,
           sum(sum(daily.credits)) OVER (PARTITION BY g.provider) AS credits_of_provider
    FROM daily JOIN projection_usage.groups AS g USING (group_id)
    WHERE %(member)s::text IS NULL OR g.member = %(member)s
    GROUP BY g.group_id
), ranked AS (
    SELECT group_id, provider, model, project, member,
           least(dense_rank() OVER (ORDER BY credits_of_provider DESC, provider), %(series)s + 1) AS series
    FROM used
), sums AS (
    SELECT CASE WHEN grouping(day) = 0 THEN 'day'
                WHEN grouping(project, series) = 0 THEN 'project and series'
                WHEN grouping(provider) = 0 THEN 'provider'
                WHEN grouping(model) = 0 THEN 'model'
                WHEN grouping(project) = 0 THEN 'project'
                WHEN grouping(member) = 0 THEN 'member'
                ELSE 'all' END AS sums_by,
           day, series, coalesce(provider, model, project, member) AS name, sum(credits) AS credits,
           sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
           sum(cached_tokens) AS cached_tokens, sum(uncollected) AS uncollected, sum(count) AS count
    FROM daily JOIN ranked USING (group_id)
    GROUP BY GROUPING SETS ((), (provider), (model), (project), (member), (project, series), (day, series))
), named AS (
    SELECT *, sum(credits) OVER (PARTITION BY sums_by, name) AS credits_of_name FROM sums
), placed AS (
    SELECT *, dense_rank() OVER (PARTITION BY sums_by ORDER BY credits_of_name DESC, name) AS rank FROM named
)
SELECT sums_by, day, series, name, credits, input_tokens, output_tokens, cached_tokens, uncollected, count
FROM placed
WHERE rank <= %(limit)s AND count > 0
ORDER BY sums_by, rank, day, series;
