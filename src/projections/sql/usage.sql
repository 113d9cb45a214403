-- name: create
CREATE TABLE groups (
    group_id uuid PRIMARY KEY,
    provider text,
    model    text,
    project  text,
    member   text,
    metric   text
);
CREATE TABLE usage (
    account_id    text COLLATE "C" NOT NULL,
    bucket        timestamptz NOT NULL,
    group_id      uuid NOT NULL,
    credits       numeric NOT NULL,
    input_tokens  numeric NOT NULL,
    output_tokens numeric NOT NULL,
    count         bigint NOT NULL,
    PRIMARY KEY (account_id, bucket, group_id)
) WITH (fillfactor = 80);

-- name: add_groups
INSERT INTO groups (group_id, provider, model, project, member, metric)
SELECT * FROM unnest(
    %(group_ids)s::text[]::uuid[], %(provider)s::text[], %(model)s::text[], %(project)s::text[], %(member)s::text[],
    %(metric)s::text[]
)
ON CONFLICT (group_id) DO NOTHING;

-- name: add
INSERT INTO usage AS u (account_id, bucket, group_id, credits, input_tokens, output_tokens, count)
SELECT * FROM unnest(
    %(accounts)s::text[], %(buckets)s::timestamptz[], %(group_ids)s::text[]::uuid[], %(credits)s::numeric[],
    %(input_tokens)s::numeric[], %(output_tokens)s::numeric[], %(counts)s::bigint[]
)
ON CONFLICT (account_id, bucket, group_id) DO UPDATE SET
    credits = u.credits + excluded.credits,
    input_tokens = u.input_tokens + excluded.input_tokens,
    output_tokens = u.output_tokens + excluded.output_tokens,
    count = u.count + excluded.count;

-- name: read
-- Sums per span of time and group, of the dimensions that are asked for. Groups are ranked over all spans by their
-- credits; those beyond the limit are one, which has no key.
WITH found AS MATERIALIZED (
    SELECT width_bucket(u.bucket, %(starts)s::timestamptz[]) AS place,
           ARRAY[
               CASE WHEN 'provider' = ANY (%(by)s::text[]) THEN g.provider END,
               CASE WHEN 'model' = ANY (%(by)s::text[]) THEN g.model END,
               CASE WHEN 'project' = ANY (%(by)s::text[]) THEN g.project END,
               CASE WHEN 'member' = ANY (%(by)s::text[]) THEN g.member END,
               CASE WHEN 'metric' = ANY (%(by)s::text[]) THEN g.metric END
           ] AS key,
           u.credits, u.input_tokens, u.output_tokens, u.count
    FROM projection_usage.usage AS u
    JOIN projection_usage.groups AS g USING (group_id)
    WHERE u.account_id = %(account)s AND u.bucket >= %(first)s AND u.bucket < %(last)s
), ranked AS (
    SELECT key, row_number() OVER (ORDER BY sum(credits) DESC, key) AS rank FROM found GROUP BY key
)
SELECT found.place, CASE WHEN rank <= %(limit)s THEN found.key END AS key, min(rank) AS rank,
       sum(credits) AS credits, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
       sum(count) AS count
FROM found JOIN ranked USING (key)
GROUP BY found.place, CASE WHEN rank <= %(limit)s THEN found.key END
ORDER BY found.place, min(rank);
