-- The subscriptions at our own provider. Ids are its own, `sub_...`; the ledger has them as `manual:sub_...`.
CREATE TABLE billing.manual_subscriptions (
    subscription_id text COLLATE "C" PRIMARY KEY,
    account_id      text COLLATE "C" NOT NULL,
    checkout_id     text COLLATE "C" NOT NULL REFERENCES billing.checkouts,
    plan            text COLLATE "C" NOT NULL,
    version         integer NOT NULL,
    price           text COLLATE "C",           -- null: the plan has no price
    quantity        integer NOT NULL CHECK (quantity > 0),
    status          text NOT NULL CHECK (status IN ('trialing', 'active', 'past_due', 'ended')),
    anchor          timestamptz NOT NULL,       -- from where periods are counted
    period_start    timestamptz NOT NULL,
    period_end      timestamptz,                -- null: it costs nothing
    ends_at         timestamptz,                -- null: it renews
    next_product    text COLLATE "C",           -- what it renews as, plan:pro:3:monthly; null: as what it is
    next_quantity   integer,
    told_at         timestamptz NOT NULL,       -- the time of the last word about it
    step_at         timestamptz                 -- when time changes it, or asks for a payment; null: never
);
CREATE INDEX manual_subscriptions_step ON billing.manual_subscriptions (step_at) WHERE step_at IS NOT NULL;
CREATE INDEX manual_subscriptions_of_account ON billing.manual_subscriptions (account_id);
