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
