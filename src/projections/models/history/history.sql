-- name: create
-- Rows are narrow, because there are many: an account is a number, a name is a letter, what many rows have in common is a row
-- of another table, and an id is the version in it. The views below show them in full.

-- Every account of the log. Its number is the position of its first event.
CREATE TABLE history_accounts (
    number     bigint PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL UNIQUE
);
-- What the usage of many deductions has in common: the beginning of its JSON, up to the tokens. The id is a hash of it.
CREATE TABLE history_groups (
    group_id uuid PRIMARY KEY,
    names    text NOT NULL
);
-- Each account that was ever closed or reopened, and the account into which it was merged, if it is closed and was.
CREATE TABLE successors (
    account_id text COLLATE "C" PRIMARY KEY,
    successor  text
);
-- One row for each change of balance. Within an account the order by time and by sequence is the same, so one index serves
-- pages, periods and the running balance. The columns are in an order in which none is padded.
CREATE TABLE entry_rows (
    account        bigint NOT NULL,
    recorded_at    timestamptz NOT NULL,
    sequence       bigint NOT NULL,
    subscription   bigint NOT NULL,
    permanent      bigint NOT NULL,
    balance        bigint NOT NULL CHECK (balance >= 0),
    about          bigint,               -- the version in the id of the grant or deduction; null: that of the event
    hold           bigint,               -- the version in the id of the hold
    transfer       bigint,               -- the version in the id of the transfer
    input_tokens   bigint,
    output_tokens  bigint,
    cached_tokens  bigint,
    quantity       bigint,
    duration_ms    bigint,
    occurred_at    timestamptz,
    uncollected    bigint,               -- what was asked for and not available; negative: waived
    type           "char" NOT NULL,      -- the letter of the type
    about_kind     "char" NOT NULL,      -- g: about a grant, d: a deduction, h: a hold alone, t: a transfer
    group_id       uuid,
    task_id        text COLLATE "C",
    transaction_id text,
    payment_id     text,
    source         text,
    description    text,
    other_account_id text,               -- of a transfer: the other account
    PRIMARY KEY (account, recorded_at, sequence)
);
-- By a hash: the ids of tasks may be long, and few entries share one.
CREATE INDEX entries_of_tasks ON entry_rows (account, hashtextextended(task_id, 0)) WHERE task_id IS NOT NULL;
-- Entries that are not deductions are rare, and are looked up among millions of deductions.
CREATE INDEX entries_not_deductions ON entry_rows (account, type, recorded_at, sequence) WHERE type <> 'd';

-- name: views
-- The entries of accounts, which have numbers here, as answered; `code` and `task_hash` are for filters. A group is looked up
-- for each row that is read: a join could read all groups for one page.
CREATE VIEW entry_answers AS
SELECT account, sequence, sequence / 4 AS version, recorded_at,
       CASE type WHEN 'd' THEN 'deduction' WHEN 'g' THEN 'grant' WHEN 'c' THEN 'capture' WHEN 'r' THEN 'reversal'
                 WHEN 'v' THEN 'void' WHEN 'e' THEN 'expiry' WHEN 'i' THEN 'reinstatement' WHEN 't' THEN 'transfer' END AS type,
       subscription + permanent AS credits, subscription AS subscription_credits, permanent AS permanent_credits,
       balance - subscription - permanent AS balance_before, balance AS balance_after, description, task_id,
       transaction_id, payment_id, source,
       CASE about_kind WHEN 'g' THEN 'grt_' || coalesce(about, sequence / 4) END AS grant_id,
       CASE about_kind WHEN 'd' THEN 'ded_' || coalesce(about, sequence / 4) END AS deduction_id,
       'hld_' || hold AS hold_id, 'trf_' || transfer AS transfer_id, other_account_id,
       -- Numbers without a group, and a group that is gone, are mistakes, which are shown.
       CASE WHEN num_nonnulls(group_id, input_tokens, cached_tokens, output_tokens, quantity, duration_ms) > 0 THEN rtrim(
           coalesce((SELECT g.names FROM history_groups AS g WHERE g.group_id = e.group_id), '{')
           || concat_ws(',', '"quantity":' || quantity, '"duration_ms":' || duration_ms,
                        '"input_tokens":' || input_tokens, '"cached_tokens":' || cached_tokens,
                        '"output_tokens":' || output_tokens), ','
       ) || '}' END AS usage,
       type AS code, hashtextextended(task_id, 0) AS task_hash, occurred_at,
       coalesce(uncollected, 0) AS uncollected
FROM entry_rows AS e;
-- The same with the ids of accounts: for people, and for what compares rows.
CREATE VIEW entries AS
SELECT a.account_id, e.recorded_at, e.sequence, e.subscription_credits AS subscription, e.permanent_credits AS permanent,
       e.balance_after AS balance, e.type, coalesce(e.grant_id, e.deduction_id, e.hold_id, e.transfer_id) AS about, e.hold_id,
       e.transfer_id, e.other_account_id, e.task_id,
       e.transaction_id, e.payment_id, e.source, e.description, e.usage, e.occurred_at, e.uncollected
FROM entry_answers AS e JOIN history_accounts AS a ON a.number = e.account;

-- name: add_accounts
INSERT INTO history_accounts (number, account_id) SELECT * FROM unnest(%(numbers)s::bigint[], %(accounts)s::text[]);

-- name: put_successors
INSERT INTO successors (account_id, successor) SELECT * FROM unnest(%(accounts)s::text[], %(successors)s::text[])
ON CONFLICT (account_id) DO UPDATE SET successor = excluded.successor;

-- name: successor
SELECT successor FROM projection_history.successors WHERE account_id = %(account)s AND successor IS NOT NULL;

-- name: add_groups
INSERT INTO history_groups (group_id, names)
SELECT * FROM unnest(%(group_ids)s::text[]::uuid[], %(names)s::text[])
ON CONFLICT (group_id) DO NOTHING;

-- name: add
-- `whose` is the place of an entry's account among the accounts of the batch. For none, `about` and `hold` are 0, and counts
-- of usage -1. An array that is shorter than the others stands for nulls.
WITH known AS MATERIALIZED (
    SELECT array_agg((SELECT a.number FROM history_accounts AS a WHERE a.account_id = given.account_id) ORDER BY place)
           AS numbers
    FROM unnest(%(accounts)s::text[]) WITH ORDINALITY AS given (account_id, place)
)
INSERT INTO entry_rows (
    account, recorded_at, sequence, subscription, permanent, balance, about, hold, transfer, input_tokens, output_tokens,
    cached_tokens, quantity, duration_ms, occurred_at, uncollected, type, about_kind, group_id, task_id, transaction_id, payment_id, source, description,
    other_account_id
)
SELECT known.numbers[r.whose], r.recorded_at, r.sequence, r.subscription, r.permanent, r.balance, nullif(r.about, 0),
       nullif(r.hold, 0), nullif(r.transfer, 0), nullif(r.input_tokens, -1), nullif(r.output_tokens, -1),
       nullif(r.cached_tokens, -1), nullif(r.quantity, -1), nullif(r.duration_ms, -1), r.occurred_at, nullif(r.uncollected, 0), r.type::"char", r.about_kind::"char",
       r.group_id::uuid, r.task_id, r.transaction_id, r.payment_id, r.source, r.description,
       r.other_account_id
FROM unnest(
    %(whose)s::bigint[], %(recorded_at)s::timestamptz[], %(sequence)s::bigint[], %(subscription)s::bigint[],
    %(permanent)s::bigint[], %(balance)s::bigint[], %(about)s::bigint[], %(hold)s::bigint[], %(transfer)s::bigint[],
    %(input_tokens)s::bigint[], %(output_tokens)s::bigint[], %(cached_tokens)s::bigint[], %(quantity)s::bigint[], %(duration_ms)s::bigint[],
    %(occurred_at)s::timestamptz[], %(uncollected)s::bigint[], string_to_array(%(types)s, NULL),
    string_to_array(%(about_kinds)s, NULL),
    %(group_id)s::text[], %(task_id)s::text[], %(transaction_id)s::text[], %(payment_id)s::text[], %(source)s::text[],
    %(description)s::text[], %(other_account_id)s::text[]
) AS r (
    whose, recorded_at, sequence, subscription, permanent, balance, about, hold, transfer, input_tokens, output_tokens,
    cached_tokens, quantity, duration_ms, occurred_at, uncollected, type, about_kind, group_id, task_id, transaction_id, payment_id, source, description,
    other_account_id
), known;

-- These pages are newest first; for oldest first, the caller removes the DESC.

-- name: pages
-- A page for each of many askers. Their rows stay in the order of the askers: a function in FROM returns its rows in order,
-- and the pages are joined to them one after the other.
SELECT entry.*, asker.number::integer
FROM unnest(
    %(accounts)s::text[], %(low_at)s::timestamptz[], %(low)s::bigint[], %(high_at)s::timestamptz[], %(high)s::bigint[],
    %(limits)s::bigint[]
) WITH ORDINALITY AS asker (account_id, low_at, low, high_at, high, most, number)
CROSS JOIN LATERAL (
    (SELECT sequence, version, recorded_at, type, credits, subscription_credits, permanent_credits, balance_before,
            balance_after, description, task_id, transaction_id, payment_id, source, grant_id, deduction_id, hold_id,
            transfer_id, other_account_id, usage, occurred_at, uncollected
     FROM projection_history.entry_answers
     WHERE account = (
         SELECT a.number FROM projection_history.history_accounts AS a WHERE a.account_id = asker.account_id
     )
       AND (recorded_at, sequence) > (asker.low_at, asker.low) AND (recorded_at, sequence) < (asker.high_at, asker.high)
     ORDER BY recorded_at DESC, sequence DESC
     LIMIT asker.most)
    UNION ALL
    -- After them a row that is no entry, of an account that was merged: its successor. Most accounts have none.
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           s.successor, NULL, NULL, NULL
    FROM projection_history.successors AS s WHERE s.account_id = asker.account_id AND s.successor IS NOT NULL
) AS entry;

-- name: summaries
-- For each of many askers: the newest entries of an account, the newest entry of some types if it is not among them, and
-- sums of its rollups, whose `sequence` is their place. Only entries have a type.
SELECT line.*, asker.number::integer
FROM unnest(%(accounts)s::text[]) WITH ORDINALITY AS asker (account_id, number)
CROSS JOIN LATERAL (
    WITH newest AS MATERIALIZED (
        SELECT sequence, version, recorded_at, type, credits, subscription_credits, permanent_credits, balance_before,
               balance_after, description, task_id, transaction_id, payment_id, source, grant_id, deduction_id, hold_id, transfer_id,
       other_account_id, usage, occurred_at, uncollected, code
        FROM projection_history.entry_answers
        WHERE account = (
            SELECT a.number FROM projection_history.history_accounts AS a WHERE a.account_id = asker.account_id
        )
        ORDER BY recorded_at DESC, sequence DESC
        LIMIT %(limit)s
    )
    SELECT sequence, version, recorded_at, type, credits, subscription_credits, permanent_credits, balance_before,
           balance_after, description, task_id, transaction_id, payment_id, source, grant_id, deduction_id, hold_id, transfer_id,
           other_account_id, usage, occurred_at, uncollected,
           NULL::numeric AS deducted, NULL::numeric AS reversed, NULL::numeric AS deductions
    FROM newest
    UNION ALL
    (SELECT sequence, version, recorded_at, type, credits, subscription_credits, permanent_credits, balance_before,
            balance_after, description, task_id, transaction_id, payment_id, source, grant_id, deduction_id, hold_id, transfer_id,
       other_account_id, usage, occurred_at, uncollected,
            NULL, NULL, NULL
     FROM unnest(%(codes)s::text[]::"char"[]) AS t (wanted)
     CROSS JOIN LATERAL (
        (SELECT *
         FROM projection_history.entry_answers
         WHERE account = (
             SELECT a.number FROM projection_history.history_accounts AS a WHERE a.account_id = asker.account_id
         ) AND code = t.wanted AND code <> 'd'
         ORDER BY recorded_at DESC, sequence DESC
         LIMIT 1)
        UNION ALL
        (SELECT *
         FROM projection_history.entry_answers
         WHERE account = (
             SELECT a.number FROM projection_history.history_accounts AS a WHERE a.account_id = asker.account_id
         ) AND code = 'd' AND t.wanted = 'd'
         ORDER BY recorded_at DESC, sequence DESC
         LIMIT 1)
     ) AS used
     WHERE NOT EXISTS (SELECT FROM newest WHERE newest.code = ANY (%(codes)s::text[]::"char"[]))
     ORDER BY recorded_at DESC, sequence DESC
     LIMIT 1)
    UNION ALL
    SELECT piece.place, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL, sums.deducted, sums.reversed, sums.deductions
    FROM unnest(%(places)s::integer[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(widths)s::integer[])
         AS piece (place, starts, ends, width)
    CROSS JOIN LATERAL (
        SELECT sum(deducted) AS deducted, sum(reversed) AS reversed, sum(deductions) AS deductions
        FROM projection_rollups.rollups AS r
        WHERE r.account_id = asker.account_id AND r.width = piece.width
          AND r.bucket >= piece.starts AND r.bucket < piece.ends
    ) AS sums
    WHERE sums.deductions IS NOT NULL
) AS line;

-- name: page
SELECT sequence, version, recorded_at, type, credits, subscription_credits, permanent_credits, balance_before,
       balance_after, description, task_id, transaction_id, payment_id, source, grant_id, deduction_id, hold_id, transfer_id,
       other_account_id, usage, occurred_at, uncollected
FROM projection_history.entry_answers
WHERE account = (SELECT number FROM projection_history.history_accounts WHERE account_id = %(account)s)
  AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
ORDER BY recorded_at DESC, sequence DESC
LIMIT %(limit)s;

-- name: page_of_types
-- Deductions are many, so they are filtered while scanning. Other types are few, so each one is looked up by index.
SELECT sequence, version, recorded_at, type, credits, subscription_credits, permanent_credits, balance_before,
       balance_after, description, task_id, transaction_id, payment_id, source, grant_id, deduction_id, hold_id, transfer_id,
       other_account_id, usage, occurred_at, uncollected
FROM (
    SELECT e.* FROM unnest(%(codes)s::text[]::"char"[]) AS t (wanted)
    CROSS JOIN LATERAL (
        SELECT * FROM projection_history.entry_answers
        WHERE account = (SELECT number FROM projection_history.history_accounts WHERE account_id = %(account)s)
          AND code = t.wanted AND code <> 'd'
          AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
        ORDER BY recorded_at DESC, sequence DESC
        LIMIT %(limit)s
    ) AS e
    UNION ALL
    (SELECT * FROM projection_history.entry_answers
     WHERE account = (SELECT number FROM projection_history.history_accounts WHERE account_id = %(account)s)
       AND code = 'd' AND 'd' = ANY (%(codes)s::text[]::"char"[])
       AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
     ORDER BY recorded_at DESC, sequence DESC
     LIMIT %(limit)s)
) AS found
ORDER BY recorded_at DESC, sequence DESC
LIMIT %(limit)s;

-- name: page_of_task
-- A task has few entries, so they are looked up by index first.
WITH asked AS MATERIALIZED (
    SELECT number FROM projection_history.history_accounts WHERE account_id = %(account)s
), of_task AS MATERIALIZED (
    SELECT e.* FROM asked JOIN projection_history.entry_answers AS e ON e.account = asked.number
    WHERE e.task_hash = hashtextextended(%(task)s::text COLLATE "C", 0) AND e.task_id = %(task)s
)
SELECT sequence, version, recorded_at, type, credits, subscription_credits, permanent_credits, balance_before,
       balance_after, description, task_id, transaction_id, payment_id, source, grant_id, deduction_id, hold_id, transfer_id,
       other_account_id, usage, occurred_at, uncollected
FROM of_task
WHERE (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
  AND (%(codes)s::text[] IS NULL OR code = ANY (%(codes)s::text[]::"char"[]))
  AND (%(usage)s::jsonb IS NULL OR usage::jsonb @> %(usage)s::jsonb)
ORDER BY recorded_at DESC, sequence DESC
LIMIT %(limit)s;

-- name: page_of_usage
-- No index leads to entries by usage, so this reads one after the other, up to a limit.
SELECT sequence, version, recorded_at, type, credits, subscription_credits, permanent_credits, balance_before,
       balance_after, description, task_id, transaction_id, payment_id, source, grant_id, deduction_id, hold_id, transfer_id,
       other_account_id, usage, occurred_at, uncollected
FROM (
    SELECT * FROM projection_history.entry_answers
    WHERE account = (SELECT number FROM projection_history.history_accounts WHERE account_id = %(account)s)
      AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
    ORDER BY recorded_at DESC, sequence DESC
    LIMIT %(look_through)s
) AS looked_at
WHERE usage::jsonb @> %(usage)s::jsonb
  AND (%(codes)s::text[] IS NULL OR code = ANY (%(codes)s::text[]::"char"[]))
ORDER BY recorded_at DESC, sequence DESC
LIMIT %(limit)s;

-- name: reach
-- The last entry that such a page has read, and the next one, if there is one.
SELECT recorded_at, sequence
FROM projection_history.entry_answers
WHERE account = (SELECT number FROM projection_history.history_accounts WHERE account_id = %(account)s)
  AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
ORDER BY recorded_at DESC, sequence DESC
OFFSET %(before)s LIMIT 2;

-- name: page_by_size
-- Sorted by how many credits an entry moves. There is no index for that: this sorts the keys of all wanted entries, and
-- reads only the rows of the page. The entries of a task are looked up by index.
WITH whose AS MATERIALIZED (
    SELECT number FROM projection_history.history_accounts WHERE account_id = %(account)s
), asked AS MATERIALIZED (
    SELECT size, recorded_at, sequence FROM (
        SELECT abs(credits) AS size, recorded_at, sequence, code, usage
        FROM projection_history.entry_answers
        WHERE account = (SELECT number FROM whose) AND %(task)s::text IS NULL
          AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
        UNION ALL
        SELECT abs(credits) AS size, recorded_at, sequence, code, usage
        FROM whose JOIN projection_history.entry_answers ON account = whose.number
        WHERE task_hash = hashtextextended(%(task)s::text COLLATE "C", 0) AND task_id = %(task)s
          AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
    ) AS looked_at
    WHERE (%(codes)s::text[] IS NULL OR code = ANY (%(codes)s::text[]::"char"[]))
      AND (%(usage)s::jsonb IS NULL OR usage::jsonb @> %(usage)s::jsonb)
      AND (size, recorded_at, sequence) > (%(low_size)s, %(low_size_at)s, %(low_size_sequence)s)
      AND (size, recorded_at, sequence) < (%(high_size)s, %(high_size_at)s, %(high_size_sequence)s)
    ORDER BY size DESC, recorded_at DESC, sequence DESC
    LIMIT %(limit)s
)
SELECT sequence, version, recorded_at, type, credits, subscription_credits, permanent_credits, balance_before,
       balance_after, description, task_id, transaction_id, payment_id, source, grant_id, deduction_id, hold_id, transfer_id,
       other_account_id, usage, occurred_at, uncollected, size
FROM asked JOIN projection_history.entry_answers USING (recorded_at, sequence)
WHERE account = (SELECT number FROM whose)
ORDER BY size DESC, recorded_at DESC, sequence DESC;
