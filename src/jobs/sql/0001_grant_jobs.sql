CREATE SCHEMA jobs;

-- A grant to many accounts. Its terms must be the same in every run. Its description is not here, because only the log
-- has texts, sealed.
CREATE TABLE jobs.grant_jobs (
    job      text COLLATE "C" PRIMARY KEY,
    terms    jsonb NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now()
);

-- The accounts that had the labels of a job when it began.
CREATE TABLE jobs.grant_accounts (
    job        text COLLATE "C" NOT NULL REFERENCES jobs.grant_jobs,
    account_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (job, account_id)
);
