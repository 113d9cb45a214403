-- The yardstick: prepaid credits as tables and one stored procedure, the design that people build today.
-- Our benchmark compares the ledger with this. It must stay a fair rival: change it only to make it better.
-- Loading this file again starts from nothing.

DROP SCHEMA IF EXISTS yardstick CASCADE;
CREATE SCHEMA yardstick;

-- Enums sort in the order of their labels: subscription credits are spent first.
CREATE TYPE yardstick.kind AS ENUM ('subscription', 'permanent');

CREATE TYPE yardstick.draw AS (lot_id bigint, kind yardstick.kind, amount bigint);

-- status: deducted, replayed, account_not_found, insufficient_credits or idempotency_key_reused.
-- answer: the JSON text that the caller gets. It is made once, here, so a replay is the same to the byte.
CREATE TYPE yardstick.outcome AS (status text, answer json);

CREATE TABLE yardstick.accounts (
    account_id text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Room is left in every page, and no index covers `remaining`, so that a deduction can update its lot in place
-- (a HOT update). That is also why the index below asks for `is_open`, which changes once, and not for `remaining > 0`.
-- `is_open` is written by hand because a generated column costs a parse of its expression in every deduction.
CREATE TABLE yardstick.lots (
    lot_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id text NOT NULL REFERENCES yardstick.accounts,
    kind yardstick.kind NOT NULL,
    remaining bigint NOT NULL CHECK (remaining >= 0),
    expires_at timestamptz NOT NULL DEFAULT 'infinity',
    is_open boolean NOT NULL DEFAULT true
) WITH (fillfactor = 50);

CREATE INDEX lots_in_burn_order ON yardstick.lots (account_id, kind, expires_at, lot_id) WHERE is_open;

-- History and receipts have no foreign key to accounts: only deduct() writes them, for an account whose lots it has
-- locked, and the check would cost one more row lock per deduction.
CREATE SEQUENCE yardstick.entry_ids;

CREATE TABLE yardstick.entries (
    account_id text NOT NULL,
    entry_id bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    draws yardstick.draw[] NOT NULL,
    balance_after bigint NOT NULL,
    description text,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, entry_id)
);

CREATE TABLE yardstick.receipts (
    account_id text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    answer json NOT NULL,
    PRIMARY KEY (account_id, key)
);

CREATE TABLE yardstick.api_keys (
    sha256 bytea PRIMARY KEY,
    name text NOT NULL,
    revoked_at timestamptz
);

-- What became of a key that was used before, or null.
CREATE FUNCTION yardstick.replay(account_id text, key text, fingerprint bytea)
RETURNS yardstick.outcome LANGUAGE plpgsql AS $$
DECLARE
    receipt yardstick.receipts;
BEGIN
    SELECT * INTO receipt FROM yardstick.receipts
    WHERE receipts.account_id = replay.account_id AND receipts.key = replay.key;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF receipt.fingerprint <> replay.fingerprint THEN
        RETURN ROW('idempotency_key_reused', NULL)::yardstick.outcome;
    END IF;
    RETURN ROW('replayed', receipt.answer)::yardstick.outcome;
END $$;

-- Why a deduction that nothing can pay is refused. A refusal leaves no trace: its key may be used again.
CREATE FUNCTION yardstick.refusal(account_id text, amount bigint, available bigint)
RETURNS yardstick.outcome LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM yardstick.accounts WHERE accounts.account_id = refusal.account_id) THEN
        RETURN ROW('account_not_found', NULL)::yardstick.outcome;
    END IF;
    RETURN ROW('insufficient_credits', json_build_object(
        'required', amount, 'available', available, 'shortfall', amount - available))::yardstick.outcome;
END $$;

-- Takes `amount` credits from the account's lots in burn order, all or nothing, once per key.
--
-- Every call for an account locks all its open lots, always in burn order: calls for one account run one after
-- the other, and no two can wait for each other. READ COMMITTED gives each statement below a fresh look, so what
-- the call before us did (its receipt, what remains in the lots) is seen once its locks are gone.
CREATE FUNCTION yardstick.deduct(account_id text, amount bigint, key text, fingerprint bytea, description text)
RETURNS yardstick.outcome LANGUAGE plpgsql AS $$
DECLARE
    lot record;
    draw yardstick.draw;
    draws yardstick.draw[] := '{}';
    unpaid bigint := amount;
    subscription_credits bigint := 0;
    permanent_credits bigint := 0;
    from_subscription bigint := 0;
    entry_id bigint;
    answer json;
BEGIN
    FOR lot IN
        SELECT lots.lot_id, lots.kind, lots.remaining FROM yardstick.lots
        WHERE lots.account_id = deduct.account_id AND lots.is_open AND lots.expires_at > now()
        ORDER BY lots.kind, lots.expires_at, lots.lot_id
        FOR UPDATE
    LOOP
        draw := ROW(lot.lot_id, lot.kind, least(lot.remaining, unpaid));
        IF draw.amount > 0 THEN
            draws := draws || draw;
            unpaid := unpaid - draw.amount;
        END IF;
        IF lot.kind = 'subscription' THEN
            subscription_credits := subscription_credits + lot.remaining - draw.amount;
            from_subscription := from_subscription + draw.amount;
        ELSE
            permanent_credits := permanent_credits + lot.remaining - draw.amount;
        END IF;
    END LOOP;

    -- The receipt first: the call that we waited for may have had our key, and have taken what was left.
    IF unpaid > 0 THEN
        RETURN coalesce(yardstick.replay(account_id, key, fingerprint),
                        yardstick.refusal(account_id, amount, amount - unpaid));
    END IF;

    entry_id := nextval('yardstick.entry_ids');
    answer := json_build_object(
        'deduction_id', entry_id, 'account_id', account_id, 'recorded_at', now(),
        'deducted', amount, 'from_subscription', from_subscription, 'from_permanent', amount - from_subscription,
        'draws', draws, 'balance_after', subscription_credits + permanent_credits,
        'balance', json_build_object(
            'total', subscription_credits + permanent_credits,
            'subscription_credits', subscription_credits, 'permanent_credits', permanent_credits));

    -- The claim: of all calls with this key one gets past this line. The others have written nothing yet, and answer
    -- what it answered. It must hold without the locks too: two calls may share no lot, when one lot lapsed and
    -- another was granted between them.
    INSERT INTO yardstick.receipts VALUES (account_id, key, fingerprint, answer) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN yardstick.replay(account_id, key, fingerprint);
    END IF;

    FOREACH draw IN ARRAY draws LOOP
        UPDATE yardstick.lots SET remaining = lots.remaining - draw.amount, is_open = lots.remaining > draw.amount
        WHERE lots.lot_id = draw.lot_id;
    END LOOP;
    INSERT INTO yardstick.entries
    VALUES (account_id, entry_id, amount, draws, subscription_credits + permanent_credits, description, now());
    RETURN ROW('deducted', answer)::yardstick.outcome;
END $$;

-- The balance of an account as JSON; null when there is no such account.
CREATE FUNCTION yardstick.balance(account_id text) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'account_id', a.account_id, 'as_of', now(),
        'total', coalesce(sum(l.remaining), 0),
        'subscription_credits', coalesce(sum(l.remaining) FILTER (WHERE l.kind = 'subscription'), 0),
        'permanent_credits', coalesce(sum(l.remaining) FILTER (WHERE l.kind = 'permanent'), 0),
        'subscription_expire_at', min(l.expires_at) FILTER (WHERE l.kind = 'subscription'))
    FROM yardstick.accounts AS a
    LEFT JOIN yardstick.lots AS l ON l.account_id = a.account_id AND l.is_open AND l.expires_at > now()
    WHERE a.account_id = balance.account_id
    GROUP BY a.account_id
$$;

-- The newest entries of an account as JSON, before `before`.
CREATE FUNCTION yardstick.history(account_id text, before bigint, count int) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object('entries', coalesce(json_agg(e), '[]'), 'next_before', min(e.entry_id))
    FROM (
        SELECT entries.entry_id, entries.recorded_at, entries.amount, entries.draws, entries.balance_after,
               entries.balance_after + entries.amount AS balance_before, entries.description
        FROM yardstick.entries
        WHERE entries.account_id = history.account_id AND entries.entry_id < history.before
        ORDER BY entries.entry_id DESC
        LIMIT history.count
    ) AS e
$$;

-- Makes accounts account-00000, account-00001, ... (100,000 at most) that no benchmark can empty, and the API key
-- 'yardstick'.
CREATE FUNCTION yardstick.fill(accounts int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO yardstick.accounts
    SELECT 'account-' || lpad(n::text, 5, '0') FROM generate_series(0, fill.accounts - 1) n;
    INSERT INTO yardstick.lots (account_id, kind, remaining, expires_at)
    SELECT account_id, 'subscription', 1000000000000, now() + interval '30 days' FROM yardstick.accounts;
    INSERT INTO yardstick.lots (account_id, kind, remaining)
    SELECT account_id, 'permanent', 1000000000000 FROM yardstick.accounts;
    INSERT INTO yardstick.api_keys VALUES (sha256('yardstick'), 'benchmark');
    ANALYZE yardstick.accounts, yardstick.lots;
END $$;
