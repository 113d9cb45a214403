-- name: create
-- One row for each change of balance. Within an account the order by time and by sequence is the same, so one index serves
-- pages, periods and the running balance.
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
-- Entries that are not deductions are rare, and are looked up among millions of deductions.
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

-- These pages are newest first; for oldest first, the caller removes the DESC.

-- name: pages
-- A page for each of many askers. Their rows stay in the order of the askers: a function in FROM returns its rows in order,
-- and the pages are joined to them one after the other.
SELECT asker.number::integer, entry.*
FROM unnest(
    %(accounts)s::text[], %(low_at)s::timestamptz[], %(low)s::bigint[], %(high_at)s::timestamptz[], %(high)s::bigint[],
    %(limits)s::bigint[]
) WITH ORDINALITY AS asker (account_id, low_at, low, high_at, high, most, number)
CROSS JOIN LATERAL (
    SELECT recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id, transaction_id, payment_id,
           source, description, usage::text AS usage
    FROM projection_history.entries
    WHERE account_id = asker.account_id
      AND (recorded_at, sequence) > (asker.low_at, asker.low) AND (recorded_at, sequence) < (asker.high_at, asker.high)
    ORDER BY recorded_at DESC, sequence DESC
    LIMIT asker.most
) AS entry;

-- name: summaries
-- For each of many askers: the newest entries of an account, the newest entry of some types if it is not among them, and
-- sums of its rollups, whose `sequence` is their place. Only entries have a type.
SELECT asker.number::integer, line.*
FROM unnest(%(accounts)s::text[]) WITH ORDINALITY AS asker (account_id, number)
CROSS JOIN LATERAL (
    WITH newest AS MATERIALIZED (
        SELECT recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id, transaction_id, payment_id,
               source, description, usage::text AS usage
        FROM projection_history.entries
        WHERE account_id = asker.account_id
        ORDER BY recorded_at DESC, sequence DESC
        LIMIT %(limit)s
    )
    SELECT newest.*, NULL::numeric AS deducted, NULL::numeric AS reversed, NULL::numeric AS deductions FROM newest
    UNION ALL
    (SELECT used.*, NULL, NULL, NULL FROM unnest(%(types)s::text[]) AS t (type)
     CROSS JOIN LATERAL (
        (SELECT recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id, transaction_id, payment_id,
                source, description, usage::text AS usage
         FROM projection_history.entries
         WHERE account_id = asker.account_id AND type = t.type AND t.type <> 'deduction' AND type <> 'deduction'
         ORDER BY recorded_at DESC, sequence DESC
         LIMIT 1)
        UNION ALL
        (SELECT recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id, transaction_id, payment_id,
                source, description, usage::text AS usage
         FROM projection_history.entries
         WHERE account_id = asker.account_id AND type = 'deduction' AND t.type = 'deduction'
         ORDER BY recorded_at DESC, sequence DESC
         LIMIT 1)
     ) AS used
     WHERE NOT EXISTS (SELECT FROM newest WHERE type = ANY (%(types)s::text[]))
     ORDER BY recorded_at DESC, sequence DESC
     LIMIT 1)
    UNION ALL
    SELECT NULL, piece.place, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           sums.deducted, sums.reversed, sums.deductions
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
SELECT account_id, recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id,
       transaction_id, payment_id, source, description, usage::text AS usage
FROM projection_history.entries
WHERE account_id = %(account)s
  AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
ORDER BY recorded_at DESC, sequence DESC
LIMIT %(limit)s;

-- name: page_of_types
-- Deductions are many, so they are filtered while scanning. Other types are few, so each one is looked up by index.
SELECT * FROM (
    SELECT e.* FROM unnest(%(types)s::text[]) AS t (type)
    CROSS JOIN LATERAL (
        SELECT account_id, recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id,
               transaction_id, payment_id, source, description, usage::text AS usage
        FROM projection_history.entries
        WHERE account_id = %(account)s AND type = t.type AND type <> 'deduction'
          AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
        ORDER BY recorded_at DESC, sequence DESC
        LIMIT %(limit)s
    ) AS e
    UNION ALL
    (SELECT account_id, recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id,
            transaction_id, payment_id, source, description, usage::text AS usage
     FROM projection_history.entries
     WHERE account_id = %(account)s AND type = 'deduction' AND 'deduction' = ANY (%(types)s::text[])
       AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
     ORDER BY recorded_at DESC, sequence DESC
     LIMIT %(limit)s)
) AS found
ORDER BY recorded_at DESC, sequence DESC
LIMIT %(limit)s;

-- name: page_of_task
-- A task has few entries, so they are looked up by index first.
WITH of_task AS MATERIALIZED (
    SELECT account_id, recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id,
           transaction_id, payment_id, source, description, usage
    FROM projection_history.entries
    WHERE account_id = %(account)s AND task_id = %(task)s
)
SELECT account_id, recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id,
       transaction_id, payment_id, source, description, usage::text AS usage
FROM of_task
WHERE (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
  AND (%(types)s::text[] IS NULL OR type = ANY (%(types)s::text[]))
  AND (%(usage)s::jsonb IS NULL OR usage @> %(usage)s::jsonb)
ORDER BY recorded_at DESC, sequence DESC
LIMIT %(limit)s;

-- name: page_of_usage
-- No index leads to entries by usage, so this reads one after the other, up to a limit.
SELECT account_id, recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id,
       transaction_id, payment_id, source, description, usage::text AS usage
FROM (
    SELECT account_id, recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id,
           transaction_id, payment_id, source, description, usage
    FROM projection_history.entries
    WHERE account_id = %(account)s
      AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
    ORDER BY recorded_at DESC, sequence DESC
    LIMIT %(look_through)s
) AS looked_at
WHERE usage @> %(usage)s::jsonb AND (%(types)s::text[] IS NULL OR type = ANY (%(types)s::text[]))
ORDER BY recorded_at DESC, sequence DESC
LIMIT %(limit)s;

-- name: reach
-- The last entry that such a page has read, and the next one, if there is one.
SELECT recorded_at, sequence
FROM projection_history.entries
WHERE account_id = %(account)s
  AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
ORDER BY recorded_at DESC, sequence DESC
OFFSET %(before)s LIMIT 2;

-- name: page_by_size
-- Sorted by how many credits an entry moves. There is no index for that: this sorts the keys of all wanted entries, and
-- reads only the rows of the page. The entries of a task are looked up by index.
WITH asked AS MATERIALIZED (
    SELECT size, recorded_at, sequence FROM (
        SELECT abs(subscription + permanent) AS size, recorded_at, sequence, type, usage
        FROM projection_history.entries
        WHERE account_id = %(account)s AND %(task)s::text IS NULL
          AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
        UNION ALL
        SELECT abs(subscription + permanent) AS size, recorded_at, sequence, type, usage
        FROM projection_history.entries
        WHERE account_id = %(account)s AND task_id = %(task)s
          AND (recorded_at, sequence) > (%(low_at)s, %(low)s) AND (recorded_at, sequence) < (%(high_at)s, %(high)s)
    ) AS looked_at
    WHERE (%(types)s::text[] IS NULL OR type = ANY (%(types)s::text[]))
      AND (%(usage)s::jsonb IS NULL OR usage @> %(usage)s::jsonb)
      AND (size, recorded_at, sequence) > (%(low_size)s, %(low_size_at)s, %(low_size_sequence)s)
      AND (size, recorded_at, sequence) < (%(high_size)s, %(high_size_at)s, %(high_size_sequence)s)
    ORDER BY size DESC, recorded_at DESC, sequence DESC
    LIMIT %(limit)s
)
SELECT account_id, recorded_at, sequence, subscription, permanent, balance, type, about, hold_id, task_id,
       transaction_id, payment_id, source, description, usage::text AS usage, size
FROM asked JOIN projection_history.entries USING (recorded_at, sequence)
WHERE account_id = %(account)s
ORDER BY size DESC, recorded_at DESC, sequence DESC;
