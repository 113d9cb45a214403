-- Which ledger this is. A copy of the database is the same ledger; a new one is another.
CREATE TABLE ledger.identity (
    id  uuid NOT NULL DEFAULT gen_random_uuid(),
    one boolean PRIMARY KEY DEFAULT true CHECK (one)
);
INSERT INTO ledger.identity DEFAULT VALUES;

-- The complete subtrees of the Merkle tree over the log, of every eighth level: what a proof in a log of millions would
-- have to hash anew. They change cost, never meaning: all of them may be deleted at any moment, and whoever reads them
-- makes those that are missing from the events. A subtree of level 8 at place 0 covers positions 1 to 256.
CREATE TABLE ledger.subtrees (
    level smallint NOT NULL,
    place bigint NOT NULL,
    hash  bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, place)
);

-- What became of the last attempt to sign a checkpoint, for those who cannot see the folder. It proves nothing.
CREATE TABLE ledger.checkpointing (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    size      bigint NOT NULL,
    signed_at timestamptz,
    problem   text
);
INSERT INTO ledger.checkpointing (size) VALUES (0);
