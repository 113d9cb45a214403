-- name: create
-- One signed line per change of balance. Within an account the order of time and the order of sequence are the same, so
-- the one index serves pages, periods and the running balance.
CREATE TABLE entries (
    account_id     text COLLATE "C" NOT NULL,
    recorded_at    timestamptz NOT NULL,
    sequence       bigint NOT NULL,
    subscription   bigint NOT NULL,
    permanent      bigint NOT NULL,
    balance        bigint NOT NULL CHECK (balance >= 0),
    type           text NOT NULL,
    about          text NOT NULL,
    hold_id        text,
    task_id        text COLLATE "C",
    transaction_id text,
    payment_id     text,
    source         text,
    description    text,
    usage          jsonb,
    PRIMARY KEY (account_id, recorded_at, sequence)
);
CREATE INDEX entries_of_tasks ON entries (account_id, task_id) WHERE task_id IS NOT NULL;
-- What is not a deduction is rare, and is looked for among millions of deductions.
CREATE INDEX entries_not_deductions ON entries (account_id, type, recorded_at, sequence) WHERE type <> 'deduction';

-- name: add
INSERT INTO entries (
    account_id, recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id,
    transaction_id, payment_id, source, description, usage
)
SELECT account_id, recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id,
       transaction_id, payment_id, source, description, usage::jsonb
FROM unnest(
    %(account_id)s::text[], %(recorded_at)s::timestamptz[], %(sequence)s::bigint[], %(subscription)s::bigint[],
    %(permanent)s::bigint[], %(balance)s::bigint[], %(type)s::text[], %(about)s::text[], %(hold_id)s::text[],
    %(task_id)s::text[], %(transaction_id)s::text[], %(payment_id)s::text[], %(source)s::text[],
    %(description)s::text[], %(usage)s::text[]
) AS r (
    account_id, recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id,
    transaction_id, payment_id, source, description, usage
);
