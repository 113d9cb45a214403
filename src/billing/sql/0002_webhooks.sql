-- What providers reported, and what of it is known. The rows hold names and addresses of buyers, sealed, until their
-- bodies are dropped; the ledger alone says what came of them.

-- The key with which bodies are sealed. gen_random_uuid() draws from the strong source of the server: 244 random bits.
CREATE TABLE billing.secrets (
    name  text PRIMARY KEY,
    value bytea NOT NULL CHECK (octet_length(value) = 32)
);
INSERT INTO billing.secrets
SELECT 'webhooks', decode(replace(concat(gen_random_uuid(), gen_random_uuid()), '-', ''), 'hex');

-- One delivery. A provider may send one delivery id with two bodies: both are kept.
CREATE TABLE billing.webhooks (
    number            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id        text COLLATE "C" NOT NULL UNIQUE,
    provider          text COLLATE "C" NOT NULL,
    delivery_id       text COLLATE "C" NOT NULL,
    sha256            bytea NOT NULL CHECK (octet_length(sha256) = 32),
    received_at       timestamptz NOT NULL,
    type              text NOT NULL,
    live              boolean,
    state             text NOT NULL CHECK (state IN ('new', 'applied', 'waiting', 'ignored', 'dismissed')),
    reason            text,
    detail            text,
    things            text[] COLLATE "C" NOT NULL DEFAULT '{}',  -- every name in it
    about             text[] COLLATE "C" NOT NULL DEFAULT '{}',  -- the payments and subscriptions that it tells of
    account_id        text COLLATE "C",
    attempts          integer NOT NULL DEFAULT 0,
    next_try_at       timestamptz,                               -- null: it is not tried again
    decided_at        timestamptz,
    decided_by        text,
    applied_positions bigint[] NOT NULL DEFAULT '{}',
    body              bytea,                                     -- null: dropped
    headers           bytea,
    UNIQUE (provider, delivery_id, sha256)
);
CREATE INDEX webhooks_due ON billing.webhooks (next_try_at, number) WHERE next_try_at IS NOT NULL;
CREATE INDEX webhooks_waiting ON billing.webhooks (received_at) WHERE state IN ('new', 'waiting');
CREATE INDEX webhooks_waiting_for ON billing.webhooks USING gin (things) WHERE state = 'waiting';
CREATE INDEX webhooks_by_state ON billing.webhooks (state, number);
CREATE INDEX webhooks_with_body ON billing.webhooks (received_at) WHERE body IS NOT NULL;
CREATE INDEX webhooks_of_account ON billing.webhooks (account_id) WHERE account_id IS NOT NULL;

-- What is known of each payment, refund, dispute and subscription: the join of all that was reported. No row has a name
-- or an address of a person.
CREATE TABLE billing.facts (
    thing text COLLATE "C" NOT NULL,
    kind  text COLLATE "C" NOT NULL,
    about text[] COLLATE "C" NOT NULL,  -- the payment and the subscription that it tells of
    fact  jsonb NOT NULL,
    PRIMARY KEY (thing, kind)
);
CREATE INDEX facts_about ON billing.facts USING gin (about);

-- Which names belong to which other name: a charge to a payment, a customer to an account. The first account counts.
CREATE TABLE billing.links (
    number     bigint GENERATED ALWAYS AS IDENTITY,
    thing      text COLLATE "C" NOT NULL,
    belongs_to text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('owner', 'subscription', 'same')),
    made_by    text,                    -- the operator who said so; null: the provider
    PRIMARY KEY (thing, belongs_to)
);
CREATE INDEX links_belongs_to ON billing.links (belongs_to);
