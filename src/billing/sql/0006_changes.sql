-- What was asked for of subscriptions: the receipts of changes, and those that wait for the end of a period because the
-- provider keeps none for us.

CREATE TABLE billing.changes (
    number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id      text COLLATE "C" NOT NULL,
    subscription_id text COLLATE "C" NOT NULL,
    operation       text COLLATE "C" NOT NULL,
    key             text COLLATE "C" NOT NULL,
    fingerprint     bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    answer          jsonb NOT NULL,
    reason          text,                                 -- null: none was given, or it was erased
    asked_by        text NOT NULL,
    asked_at        timestamptz NOT NULL,
    state           text NOT NULL CHECK (state IN ('asked', 'held', 'sent', 'dropped', 'failed')),
    product         text COLLATE "C",                     -- of a change that is, or was, held
    plan            text COLLATE "C",
    quantity        integer,
    next_try_at     timestamptz,                          -- null: nothing is left to do
    attempts        integer NOT NULL DEFAULT 0,
    failure         text,
    UNIQUE (account_id, operation, key),
    CHECK (state <> 'held' OR (product IS NOT NULL AND plan IS NOT NULL AND quantity IS NOT NULL))
);
CREATE UNIQUE INDEX changes_held ON billing.changes (subscription_id) WHERE state = 'held';
CREATE INDEX changes_due ON billing.changes (next_try_at) WHERE next_try_at IS NOT NULL;
