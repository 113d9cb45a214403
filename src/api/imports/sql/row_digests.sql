-- name: begin_job
INSERT INTO imports.jobs (name) VALUES (%(name)s) ON CONFLICT (name) DO NOTHING;

-- name: job_id
SELECT job_id FROM imports.jobs WHERE name = %(name)s;

-- name: other_jobs
SELECT EXISTS (SELECT FROM imports.jobs WHERE name <> %(name)s);

-- name: jobs_with
-- Each digest is looked up by its key: a join may be planned as a scan of the whole table, before there are statistics.
SELECT j.name, f.rows
FROM (
    SELECT job_id, count(*) AS rows
    FROM unnest(%(digests)s::uuid[]) AS d(digest)
        CROSS JOIN LATERAL unnest(ARRAY(SELECT r.job_id FROM imports.rows AS r WHERE r.digest = d.digest)) AS u(job_id)
    GROUP BY 1
) AS f
    JOIN imports.jobs AS j USING (job_id)
WHERE j.name <> %(name)s;

-- name: keep
INSERT INTO imports.rows (digest, job_id)
SELECT digest, %(job_id)s FROM unnest(%(digests)s::uuid[]) AS d(digest)
ON CONFLICT DO NOTHING;
