-- name: create
CREATE TABLE accounts (
    account_id             text COLLATE "C" PRIMARY KEY,
    version                bigint NOT NULL,
    standing               text NOT NULL,
    opened_at              timestamptz NOT NULL,
    last_activity_at       timestamptz NOT NULL,
    subscription           bigint NOT NULL CHECK (subscription >= 0),
    permanent              bigint NOT NULL CHECK (permanent >= 0),
    held                   bigint NOT NULL CHECK (held BETWEEN 0 AND subscription + permanent),
    total                  bigint NOT NULL GENERATED ALWAYS AS (subscription + permanent) STORED,
    subscription_expire_at timestamptz,
    successor              text           -- of a closed account: the one into which it was merged
) WITH (fillfactor = 80);
CREATE INDEX accounts_by_total ON accounts (total, account_id);
CREATE INDEX accounts_by_activity ON accounts (last_activity_at, account_id);
CREATE INDEX accounts_by_expiry ON accounts (subscription_expire_at) WHERE subscription_expire_at IS NOT NULL;
CREATE INDEX accounts_by_standing ON accounts (standing, account_id) WHERE standing <> 'active';

CREATE TABLE labels (
    account_id text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    value      text COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, name)
);
CREATE INDEX labels_by_value ON labels (name, value, account_id);

-- A grant is coming until it starts (effective_at), and open while some of its credits remain or are held. Its number is the
-- version in its id.
CREATE TABLE grants (
    account_id     text COLLATE "C" NOT NULL,
    number         bigint NOT NULL,
    kind           text NOT NULL,
    source         text NOT NULL,
    amount         bigint NOT NULL,
    granted_at     timestamptz NOT NULL,
    expires_at     timestamptz,
    transaction_id text,
    payment_id     text,
    description    text,
    remaining      bigint NOT NULL CHECK (remaining >= 0),
    held           bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    spent          bigint NOT NULL DEFAULT 0 CHECK (spent >= 0),
    lapsed         bigint NOT NULL DEFAULT 0 CHECK (lapsed >= 0),
    voided         bigint NOT NULL DEFAULT 0 CHECK (voided >= 0),
    sent           bigint NOT NULL DEFAULT 0 CHECK (sent >= 0),
    from_account_id text,                 -- of a received lot: the account that sent it, and its grant there
    from_grant_id   text,
    closed         boolean NOT NULL DEFAULT false,
    status         text NOT NULL DEFAULT 'open',
    coming         bigint NOT NULL DEFAULT 0 CHECK (coming >= 0),
    effective_at   timestamptz,
    PRIMARY KEY (account_id, number),
    CHECK (coming + remaining + held + spent + lapsed + voided + sent = amount)
) WITH (fillfactor = 80);
CREATE INDEX grants_by_status ON grants (account_id, status, number);
CREATE INDEX grants_coming ON grants (effective_at) WHERE status = 'coming';

CREATE TABLE holds (
    account_id  text COLLATE "C" NOT NULL,
    number      bigint NOT NULL,
    amount      bigint NOT NULL,
    held        bigint NOT NULL CHECK (held BETWEEN 0 AND amount),
    captured    numeric NOT NULL DEFAULT 0,
    placed_at   timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    status      text NOT NULL DEFAULT 'open',
    task_id     text,
    description text,
    PRIMARY KEY (account_id, number)
);
CREATE INDEX holds_by_status ON holds (account_id, status, number);
CREATE INDEX holds_open ON holds (expires_at) WHERE status = 'open';

-- name: put_accounts
INSERT INTO accounts AS a (
    account_id, version, subscription, permanent, held, subscription_expire_at, last_activity_at, standing, opened_at,
    successor
)
SELECT r.account_id, r.version, r.subscription, r.permanent, r.held, r.expire_at, r.at,
       coalesce(r.standing, known.standing), coalesce(r.opened_at, known.opened_at),
       CASE WHEN r.standing IS NULL THEN known.successor WHEN r.standing = 'closed' THEN r.successor END
FROM unnest(
    %(accounts)s::text[], %(versions)s::bigint[], %(subscription)s::bigint[], %(permanent)s::bigint[],
    %(held)s::bigint[], %(expiries)s::timestamptz[], %(times)s::timestamptz[], %(standings)s::text[],
    %(opened)s::timestamptz[], %(successors)s::text[]
) AS r (account_id, version, subscription, permanent, held, expire_at, at, standing, opened_at, successor)
LEFT JOIN accounts AS known ON known.account_id = r.account_id
ON CONFLICT (account_id) DO UPDATE SET
    version = excluded.version,
    subscription = excluded.subscription,
    permanent = excluded.permanent,
    held = excluded.held,
    subscription_expire_at = excluded.subscription_expire_at,
    last_activity_at = excluded.last_activity_at,
    standing = excluded.standing,
    successor = excluded.successor;

-- name: remove_labels
DELETE FROM labels WHERE account_id = ANY (%(accounts)s::text[]);

-- name: add_labels
INSERT INTO labels (account_id, name, value)
SELECT * FROM unnest(%(accounts)s::text[], %(names)s::text[], %(values)s::text[]);

-- name: add_grants
INSERT INTO grants (
    account_id, number, kind, source, amount, remaining, coming, granted_at, expires_at, transaction_id, payment_id,
    description, from_account_id, from_grant_id, effective_at, status
)
SELECT account_id, number, kind, source, amount,
       CASE WHEN starts IS NULL THEN amount ELSE 0 END, CASE WHEN starts IS NULL THEN 0 ELSE amount END,
       at, expires_at, transaction_id, payment_id, description, from_account_id, from_grant_id, starts,
       CASE WHEN starts IS NULL THEN 'open' ELSE 'coming' END
FROM unnest(
    %(accounts)s::text[], %(numbers)s::bigint[], %(kinds)s::text[], %(sources)s::text[], %(amounts)s::bigint[],
    %(times)s::timestamptz[], %(expiries)s::timestamptz[], %(transactions)s::text[], %(payments)s::text[],
    %(descriptions)s::text[], %(senders)s::text[], %(sent_grants)s::text[], %(starts)s::timestamptz[]
) AS r (
    account_id, number, kind, source, amount, at, expires_at, transaction_id, payment_id, description, from_account_id,
    from_grant_id, starts
);

-- name: add_holds
INSERT INTO holds (account_id, number, amount, held, placed_at, expires_at, task_id, description)
SELECT account_id, number, amount, amount, at, expires_at, task_id, description
FROM unnest(
    %(accounts)s::text[], %(numbers)s::bigint[], %(amounts)s::bigint[], %(times)s::timestamptz[],
    %(expiries)s::timestamptz[], %(tasks)s::text[], %(descriptions)s::text[]
) AS r (account_id, number, amount, at, expires_at, task_id, description);

-- name: change_coming
UPDATE grants AS g SET
    coming = g.coming - r.started - r.voided,
    remaining = g.remaining + r.started,
    voided = g.voided + r.voided,
    closed = g.closed OR r.closed <> 0,
    status = CASE
        WHEN r.started > 0 THEN 'open'
        WHEN g.coming = r.voided THEN 'voided'
        ELSE 'coming'
    END
FROM unnest(
    %(accounts)s::text[], %(numbers)s::bigint[], %(started)s::bigint[], %(voided)s::bigint[], %(closed)s::bigint[]
) AS r (account_id, number, started, voided, closed)
WHERE g.account_id = r.account_id AND g.number = r.number;

-- name: change_grants
-- A coming grant can only get another expiry. The status of a grant with nothing left: voided if it was closed or wholly voided, sent if all of it was sent, expired
-- if some of it lapsed, else spent.
UPDATE grants AS g SET
    remaining = g.remaining + r.remaining,
    held = g.held + r.held,
    spent = g.spent + r.spent,
    lapsed = g.lapsed + r.lapsed,
    voided = g.voided + r.voided,
    sent = g.sent + r.sent,
    closed = g.closed OR r.closed <> 0,
    expires_at = coalesce(r.expires_at, g.expires_at),
    status = CASE
        WHEN g.coming > 0 THEN 'coming'
        WHEN g.remaining + r.remaining + g.held + r.held > 0 THEN 'open'
        WHEN g.closed OR r.closed <> 0 OR g.voided + r.voided = g.amount THEN 'voided'
        WHEN g.sent + r.sent = g.amount THEN 'sent'
        WHEN g.lapsed + r.lapsed > 0 THEN 'expired'
        ELSE 'spent'
    END
FROM unnest(
    %(accounts)s::text[], %(numbers)s::bigint[], %(remaining)s::bigint[], %(held)s::bigint[], %(spent)s::bigint[],
    %(lapsed)s::bigint[], %(voided)s::bigint[], %(sent)s::bigint[], %(closed)s::bigint[], %(expiries)s::timestamptz[]
) AS r (account_id, number, remaining, held, spent, lapsed, voided, sent, closed, expires_at)
WHERE g.account_id = r.account_id AND g.number = r.number;

-- name: change_holds
UPDATE holds AS h SET
    held = h.held + r.held,
    captured = h.captured + r.captured,
    expires_at = coalesce(r.expires_at, h.expires_at),
    status = coalesce(r.status, h.status),
    ended_at = coalesce(r.ended_at, h.ended_at)
FROM unnest(
    %(accounts)s::text[], %(numbers)s::bigint[], %(held)s::bigint[], %(captured)s::numeric[],
    %(expiries)s::timestamptz[], %(statuses)s::text[], %(ends)s::timestamptz[]
) AS r (account_id, number, held, captured, expires_at, status, ended_at)
WHERE h.account_id = r.account_id AND h.number = r.number;

-- name: due
-- Accounts with an expiry of a subscription lot or a hold, or a start of a coming grant, that is due, the longest overdue
-- first.
SELECT account_id FROM (
    (SELECT account_id, subscription_expire_at AS due_at FROM projection_balances.accounts
     WHERE subscription_expire_at <= %(now)s ORDER BY subscription_expire_at LIMIT %(limit)s)
    UNION ALL
    (SELECT account_id, expires_at FROM projection_balances.holds
     WHERE status = 'open' AND expires_at <= %(now)s ORDER BY expires_at LIMIT %(limit)s)
    UNION ALL
    (SELECT account_id, effective_at FROM projection_balances.grants
     WHERE status = 'coming' AND effective_at <= %(now)s ORDER BY effective_at LIMIT %(limit)s)
) AS due
GROUP BY account_id
ORDER BY min(due_at)
LIMIT %(limit)s;

-- name: grants_now
-- Grants of an account; {which} stands for one of the two conditions below it. A coming grant is shown as open from its start
-- on, and a lot after its expiry as expired, even if no event records it yet.
SELECT g.number, g.kind, g.source, g.amount, g.held, g.spent, g.voided, g.sent, g.granted_at, g.expires_at,
       g.transaction_id, g.payment_id, g.description, g.from_account_id, g.from_grant_id, g.effective_at,
       begun.coming AS coming_now, now.remaining_now, now.lapsed_now, now.status_now
FROM projection_balances.grants AS g
CROSS JOIN LATERAL (SELECT g.status = 'coming' AND g.effective_at <= %(now)s AS started) AS start
CROSS JOIN LATERAL (
    SELECT CASE WHEN start.started THEN 0 ELSE g.coming END AS coming,
           CASE WHEN start.started THEN g.coming ELSE g.remaining END AS remaining,
           CASE WHEN start.started THEN 'open' ELSE g.status END AS status
) AS begun
CROSS JOIN LATERAL (
    SELECT begun.status = 'open' AND g.expires_at <= %(now)s AND begun.remaining > 0 AS due
) AS time
CROSS JOIN LATERAL (
    SELECT CASE WHEN time.due THEN 0 ELSE begun.remaining END AS remaining_now,
           CASE WHEN time.due THEN g.lapsed + begun.remaining ELSE g.lapsed END AS lapsed_now,
           CASE WHEN time.due AND g.held = 0 THEN 'expired' ELSE begun.status END AS status_now
) AS now
WHERE g.account_id = %(account)s AND {which};

-- name: grants_below
-- A page, newest first.
g.number < %(before)s
  AND (%(status)s::text IS NULL OR now.status_now = %(status)s AND g.status IN (
      %(status)s,
      CASE %(status)s WHEN 'expired' THEN 'open' END,
      CASE WHEN %(status)s IN ('open', 'expired') THEN 'coming' END
  ))
ORDER BY g.number DESC
LIMIT %(limit)s;

-- name: grants_numbered
-- Those that an answer names.
g.number = ANY (%(numbers)s::bigint[]);

-- name: holds_page
-- Holds, newest first. A hold after its expiry is shown as expired, even if no event records it yet.
SELECT h.number, h.amount, h.held, h.captured, h.placed_at, h.expires_at, h.ended_at, h.status, h.task_id,
       h.description, now.status_now
FROM projection_balances.holds AS h
CROSS JOIN LATERAL (
    SELECT CASE WHEN h.status = 'open' AND h.expires_at <= %(now)s THEN 'expired' ELSE h.status END AS status_now
) AS now
WHERE h.account_id = %(account)s AND h.number < %(before)s
  AND (%(status)s::text IS NULL
       OR now.status_now = %(status)s AND h.status IN (%(status)s, CASE %(status)s WHEN 'expired' THEN 'open' END))
ORDER BY h.number DESC
LIMIT %(limit)s;

-- The statements of the list of accounts. {filters} stands for the conditions below them; see queries.py.

-- name: accounts_by_id
SELECT a.account_id, a.version, a.standing, a.opened_at, a.last_activity_at, a.subscription, a.permanent, a.held, a.total,
       a.subscription_expire_at, a.successor, own.labels
FROM projection_balances.accounts AS a
CROSS JOIN LATERAL (
    SELECT json_object_agg(l.name, l.value ORDER BY l.name) AS labels
    FROM projection_balances.labels AS l WHERE l.account_id = a.account_id
) AS own
WHERE a.account_id > %(after)s AND a.account_id >= %(prefix)s AND a.account_id < %(prefix_end)s {filters}
ORDER BY a.account_id
LIMIT %(limit)s;

-- name: labelled_accounts_by_id
-- The index of labels has the accounts of one label in the order of their ids, so a page reads no others.
SELECT a.account_id, a.version, a.standing, a.opened_at, a.last_activity_at, a.subscription, a.permanent, a.held, a.total,
       a.subscription_expire_at, a.successor, own.labels
FROM projection_balances.labels AS labelled
JOIN projection_balances.accounts AS a ON a.account_id = labelled.account_id
CROSS JOIN LATERAL (
    SELECT json_object_agg(l.name, l.value ORDER BY l.name) AS labels
    FROM projection_balances.labels AS l WHERE l.account_id = labelled.account_id
) AS own
WHERE labelled.name = %(name)s AND labelled.value = %(value)s AND labelled.account_id > %(after)s
  AND labelled.account_id >= %(prefix)s AND labelled.account_id < %(prefix_end)s {filters}
ORDER BY labelled.account_id
LIMIT %(limit)s;

-- name: accounts_by_balance
SELECT a.account_id, a.version, a.standing, a.opened_at, a.last_activity_at, a.subscription, a.permanent, a.held, a.total,
       a.subscription_expire_at, a.successor, own.labels
FROM projection_balances.accounts AS a
CROSS JOIN LATERAL (
    SELECT json_object_agg(l.name, l.value ORDER BY l.name) AS labels
    FROM projection_balances.labels AS l WHERE l.account_id = a.account_id
) AS own
WHERE (a.total, a.account_id) < (%(total)s, %(after)s)
  AND a.account_id >= %(prefix)s AND a.account_id < %(prefix_end)s {filters}
ORDER BY a.total DESC, a.account_id DESC
LIMIT %(limit)s;

-- name: accounts_by_activity
SELECT a.account_id, a.version, a.standing, a.opened_at, a.last_activity_at, a.subscription, a.permanent, a.held, a.total,
       a.subscription_expire_at, a.successor, own.labels
FROM projection_balances.accounts AS a
CROSS JOIN LATERAL (
    SELECT json_object_agg(l.name, l.value ORDER BY l.name) AS labels
    FROM projection_balances.labels AS l WHERE l.account_id = a.account_id
) AS own
WHERE (a.last_activity_at, a.account_id) < (%(at)s, %(after)s)
  AND a.account_id >= %(prefix)s AND a.account_id < %(prefix_end)s {filters}
ORDER BY a.last_activity_at DESC, a.account_id DESC
LIMIT %(limit)s;

-- A standing is written out, because a plan for any standing would not use the index of the few that are not active.

-- name: with_active
AND a.standing = 'active'

-- name: with_frozen
AND a.standing = 'frozen'

-- name: with_closed
AND a.standing = 'closed'

-- name: with_rare_label
AND a.account_id = ANY (ARRAY(
    SELECT l.account_id FROM projection_balances.labels AS l WHERE l.name = %(name)s AND l.value = %(value)s
))

-- name: with_all_labels
AND NOT EXISTS (
    SELECT FROM unnest(%(names)s::text[], %(values)s::text[]) AS wanted (name, value)
    LEFT JOIN projection_balances.labels AS l
        ON l.account_id = a.account_id AND l.name = wanted.name AND l.value = wanted.value
    WHERE l.account_id IS NULL
)

-- name: rarest_label
-- The label that the fewest accounts have, and how many: counted up to a limit.
SELECT wanted.name, wanted.value, counted.accounts
FROM unnest(%(names)s::text[], %(values)s::text[]) AS wanted (name, value)
CROSS JOIN LATERAL (
    SELECT count(*) AS accounts FROM (
        SELECT FROM projection_balances.labels AS l WHERE l.name = wanted.name AND l.value = wanted.value LIMIT %(few)s
    ) AS found
) AS counted
ORDER BY counted.accounts
LIMIT 1;
