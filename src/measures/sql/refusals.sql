-- name: count_refusals
INSERT INTO measures.refusals AS r (bucket, code, count)
SELECT * FROM unnest(%(buckets)s::timestamptz[], %(codes)s::text[], %(counts)s::bigint[])
ON CONFLICT (bucket, code) DO UPDATE SET count = r.count + excluded.count;

-- name: refusals_per_span
SELECT width_bucket(bucket, %(starts)s::timestamptz[]) AS place, code, sum(count) AS count
FROM measures.refusals
WHERE bucket >= %(first)s AND bucket < %(last)s
GROUP BY 1, 2;
