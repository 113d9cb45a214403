-- What imports remember beside the ledger: which rows each job has recorded. Deductions do not depend on it.
CREATE SCHEMA imports;

CREATE TABLE imports.jobs (
    job_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The digest of each row that a job has recorded, by which the row is known again in another file.
CREATE TABLE imports.rows (
    digest uuid    NOT NULL,
    job_id integer NOT NULL,
    PRIMARY KEY (digest, job_id)
);
