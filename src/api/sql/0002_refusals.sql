-- Refused commands by code and quarter of an hour (UTC). A refusal is no event, so nothing can count them again.
CREATE TABLE ledger.refusals (
    bucket timestamptz NOT NULL,
    code   text NOT NULL,
    count  bigint NOT NULL,
    PRIMARY KEY (bucket, code)
);
