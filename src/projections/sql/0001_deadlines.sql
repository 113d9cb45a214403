CREATE SCHEMA projections;

-- How far each projection has read the log. Written in the same transaction as its rows.
CREATE TABLE projections.checkpoints (
    name     text PRIMARY KEY,
    position bigint NOT NULL
);

-- When time may next take something from an account: one row per lot with an expiry and per hold. A row may be out of
-- date (spent, released); it costs one look.
CREATE TABLE projections.deadlines (
    account_id text COLLATE "C" NOT NULL,
    due_at     timestamptz NOT NULL,
    PRIMARY KEY (account_id, due_at)
);
CREATE INDEX deadlines_due ON projections.deadlines (due_at);
