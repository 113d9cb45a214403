-- Up to when what a provider has was read again, and compared with what its webhooks have said.
CREATE TABLE billing.reconciled (
    provider text COLLATE "C" PRIMARY KEY,
    upto     timestamptz NOT NULL
);
