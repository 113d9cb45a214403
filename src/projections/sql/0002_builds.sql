-- Every projection now lives in a schema of its own, which its runner makes: projection_balances, projection_history and
-- so on, each with its checkpoint. The deadlines are a question to the balances.
DROP TABLE projections.deadlines;
DROP TABLE projections.checkpoints;

-- What the standing check found wrong: accounts of which a projection is not what their events add up to. Without an
-- account: a sum over all of them.
CREATE TABLE projections.drift (
    account_id text COLLATE "C" NOT NULL,
    projection text NOT NULL,
    position   bigint NOT NULL,
    found_at   timestamptz NOT NULL DEFAULT now(),
    detail     text NOT NULL,
    PRIMARY KEY (account_id, projection)
);

-- How far the standing check has come: it goes through the accounts in the order of their ids, again and again.
CREATE TABLE projections.checks (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    account_id text COLLATE "C" NOT NULL,
    checked    bigint NOT NULL,
    rounds     bigint NOT NULL
);
