-- Checkouts: what somebody wants to buy, and where it is paid. The requests for payments by bank transfer are rows too.

-- The key with which our own provider, `manual`, signs.
INSERT INTO billing.secrets
SELECT 'manual', decode(replace(concat(gen_random_uuid(), gen_random_uuid()), '-', ''), 'hex');

CREATE TABLE billing.checkouts (
    checkout_id     text COLLATE "C" PRIMARY KEY,
    account_id      text COLLATE "C" NOT NULL,
    key             text COLLATE "C" NOT NULL,              -- the same key is the same checkout
    wish            bytea NOT NULL CHECK (octet_length(wish) = 32),  -- the SHA-256 of what was asked for with it
    purpose         text NOT NULL CHECK (purpose IN ('purchase', 'renewal', 'change')),
    kind            text COLLATE "C" NOT NULL,
    id              text COLLATE "C" NOT NULL,
    version         integer NOT NULL,
    price           text COLLATE "C",                       -- null: a plan without a price
    quantity        integer NOT NULL CHECK (quantity > 0),
    provider        text COLLATE "C" NOT NULL,
    provider_id     text COLLATE "C",
    url             text,                                   -- one that begins with a slash is a page of ours
    state           text NOT NULL CHECK (state IN ('unknown', 'open', 'paid', 'cancelled')),
    amount_minor    bigint NOT NULL CHECK (amount_minor >= 0),
    currency        text,
    return_url      text,
    cancel_url      text,
    reference       text COLLATE "C" UNIQUE,                -- what stands on a bank transfer
    subscription_id text COLLATE "C",                       -- the one that is renewed or changed
    period_start    timestamptz,
    period_end      timestamptz,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz,
    paid_at         timestamptz,
    paid_on         date,                                   -- when the bank says that the money came
    paid_minor      bigint,
    paid_by         text,                                   -- the operator who said so
    UNIQUE (account_id, key),
    FOREIGN KEY (kind, id, version) REFERENCES billing.catalog
);
CREATE INDEX checkouts_awaited ON billing.checkouts (created_at) WHERE provider = 'manual' AND state = 'open';
CREATE INDEX checkouts_of_subscription ON billing.checkouts (subscription_id) WHERE subscription_id IS NOT NULL;
