-- name: terms_of
SELECT terms FROM jobs.grant_jobs WHERE job = %(job)s;

-- name: accounts_of
SELECT account_id FROM jobs.grant_accounts WHERE job = %(job)s ORDER BY account_id;

-- name: begin
-- Of two first runs at the same time, the second one waits for the first, and adds nothing.
INSERT INTO jobs.grant_jobs (job, terms) VALUES (%(job)s, %(terms)s) ON CONFLICT DO NOTHING;

-- name: add_accounts
INSERT INTO jobs.grant_accounts (job, account_id)
SELECT %(job)s, account_id FROM unnest(%(accounts)s::text[]) AS account_id
ON CONFLICT DO NOTHING;
