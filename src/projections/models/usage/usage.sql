-- name: create
CREATE TABLE groups (
    group_id uuid PRIMARY KEY,
    provider text,
    model    text,
    project  text,
    member   text,
    metric   text
);
-- Every account of the log. Its number is the position of its first event.
CREATE TABLE usage_accounts (
    number     bigint PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL UNIQUE
);
-- One row for each account, group and quarter of an hour (width 15), and one for each hour (width 60). Rows are narrow,
-- because there are many: the view below shows the ids of accounts. Sums are numeric, because they may be large and most
-- are small. The columns are in an order in which none is padded.
CREATE TABLE usage_rows (
    account       bigint NOT NULL,
    bucket        timestamptz NOT NULL,
    count         bigint NOT NULL,
    width         smallint NOT NULL CHECK (width IN (15, 60)),
    group_id      uuid NOT NULL,
    credits       numeric NOT NULL,
    input_tokens  numeric NOT NULL,
    output_tokens numeric NOT NULL,
    PRIMARY KEY (account, width, bucket, group_id)
) WITH (fillfactor = 90);

-- name: views
CREATE VIEW usage AS
SELECT a.account_id, u.width, u.bucket, u.group_id, u.credits, u.input_tokens, u.output_tokens, u.count
FROM usage_rows AS u JOIN usage_accounts AS a ON a.number = u.account;

-- name: add_accounts
INSERT INTO usage_accounts (number, account_id) SELECT * FROM unnest(%(numbers)s::bigint[], %(accounts)s::text[]);

-- name: add_groups
INSERT INTO groups (group_id, provider, model, project, member, metric)
SELECT * FROM unnest(
    %(group_ids)s::text[]::uuid[], %(provider)s::text[], %(model)s::text[], %(project)s::text[], %(member)s::text[],
    %(metric)s::text[]
)
ON CONFLICT (group_id) DO NOTHING;

-- name: add
-- Add the sums of quarters of an hour, and their sums by hour. `whose` is the place of an account among those of the batch.
WITH known AS MATERIALIZED (
    SELECT array_agg((SELECT a.number FROM usage_accounts AS a WHERE a.account_id = named.account_id) ORDER BY place)
           AS numbers
    FROM unnest(%(accounts)s::text[]) WITH ORDINALITY AS named (account_id, place)
), given AS MATERIALIZED (
    SELECT known.numbers[g.whose] AS account, g.bucket, g.group_id::uuid AS group_id, g.credits, g.input_tokens, g.output_tokens,
           g.count
    FROM unnest(
        %(whose)s::bigint[], %(buckets)s::timestamptz[], %(group_ids)s::text[], %(credits)s::numeric[],
        %(input_tokens)s::numeric[], %(output_tokens)s::numeric[], %(counts)s::bigint[]
    ) AS g (whose, bucket, group_id, credits, input_tokens, output_tokens, count), known
)
INSERT INTO usage_rows AS u (width, account, bucket, group_id, credits, input_tokens, output_tokens, count)
SELECT 15, * FROM given
UNION ALL
SELECT 60, account, date_bin('1 hour', bucket, 'epoch'::timestamptz), group_id, sum(credits),
       sum(input_tokens), sum(output_tokens), sum(count)
FROM given GROUP BY 2, 3, 4
ON CONFLICT (account, width, bucket, group_id) DO UPDATE SET
    credits = u.credits + excluded.credits,
    input_tokens = u.input_tokens + excluded.input_tokens,
    output_tokens = u.output_tokens + excluded.output_tokens,
    count = u.count + excluded.count;

-- name: read
-- Sums by span and group, for the requested dimensions. Groups are ranked by their credits over all spans; those beyond the
-- limit are added up in one row without a key.
WITH found AS MATERIALIZED (
    SELECT piece.place,
           ARRAY[
               CASE WHEN 'provider' = ANY (%(by)s::text[]) THEN g.provider END,
               CASE WHEN 'model' = ANY (%(by)s::text[]) THEN g.model END,
               CASE WHEN 'project' = ANY (%(by)s::text[]) THEN g.project END,
               CASE WHEN 'member' = ANY (%(by)s::text[]) THEN g.member END,
               CASE WHEN 'metric' = ANY (%(by)s::text[]) THEN g.metric END
           ] AS key,
           u.credits, u.input_tokens, u.output_tokens, u.count
    FROM unnest(%(places)s::integer[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(widths)s::integer[])
         AS piece (place, starts, ends, width)
    CROSS JOIN LATERAL (
        SELECT group_id, sum(credits) AS credits, sum(input_tokens) AS input_tokens,
               sum(output_tokens) AS output_tokens, sum(count) AS count
        FROM projection_usage.usage_rows
        WHERE account = (SELECT number FROM projection_usage.usage_accounts WHERE account_id = %(account)s)
          AND width = piece.width AND bucket >= piece.starts AND bucket < piece.ends
        GROUP BY group_id
    ) AS u
    JOIN projection_usage.groups AS g USING (group_id)
), ranked AS (
    SELECT key, row_number() OVER (ORDER BY sum(credits) DESC, key) AS rank FROM found GROUP BY key
)
SELECT found.place, CASE WHEN rank <= %(limit)s THEN found.key END AS key, min(rank) AS rank,
       sum(credits) AS credits, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
       sum(count) AS count
FROM found JOIN ranked USING (key)
GROUP BY found.place, CASE WHEN rank <= %(limit)s THEN found.key END
ORDER BY found.place, min(rank);

-- name: breakdown
-- The usage of some days: in total, by provider, model, project and member, and by project and by day for the largest
-- providers. `series` is the rank of a provider; those beyond the last rank share one. The pieces of a day are added up
-- first, so that the many sums below are made from few rows.
WITH daily AS MATERIALIZED (
    SELECT piece.day, sums.*
    FROM unnest(%(places)s::integer[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(widths)s::integer[])
         AS piece (day, starts, ends, width)
    CROSS JOIN LATERAL (
        SELECT group_id, sum(credits) AS credits, sum(input_tokens) AS input_tokens,
               sum(output_tokens) AS output_tokens, sum(count) AS count
        FROM projection_usage.usage_rows
        WHERE account = (SELECT number FROM projection_usage.usage_accounts WHERE account_id = %(account)s)
          AND width = piece.width AND bucket >= piece.starts AND bucket < piece.ends
        GROUP BY group_id
    ) AS sums
), used AS (
    SELECT g.group_id, g.provider, g.model, g.project, g.member,
           sum(sum(daily.credits)) OVER (PARTITION BY g.provider) AS credits_of_provider
    FROM daily JOIN projection_usage.groups AS g USING (group_id)
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
           sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(count) AS count
    FROM daily JOIN ranked USING (group_id)
    GROUP BY GROUPING SETS ((), (provider), (model), (project), (member), (project, series), (day, series))
), named AS (
    SELECT *, sum(credits) OVER (PARTITION BY sums_by, name) AS credits_of_name FROM sums
), placed AS (
    SELECT *, dense_rank() OVER (PARTITION BY sums_by ORDER BY credits_of_name DESC, name) AS rank FROM named
)
SELECT sums_by, day, series, name, credits, input_tokens, output_tokens, count
FROM placed
WHERE rank <= %(limit)s AND count > 0
ORDER BY sums_by, rank, day, series;
