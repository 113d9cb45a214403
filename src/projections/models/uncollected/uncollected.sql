-- name: create
-- One row for each deduction that asked for more than was available. Its number is the version in its id, and so is `hold`.
CREATE TABLE uncollected (
    account_id  text COLLATE "C" NOT NULL,
    number      bigint NOT NULL,
    position    bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    hold        bigint,
    task_id     text,
    collected   bigint NOT NULL CHECK (collected >= 0),
    uncollected bigint NOT NULL CHECK (uncollected > 0),
    waived      bigint NOT NULL DEFAULT 0 CHECK (waived BETWEEN 0 AND uncollected),
    PRIMARY KEY (account_id, number)
);
CREATE UNIQUE INDEX uncollected_in_order ON uncollected (position);
CREATE INDEX uncollected_open ON uncollected (position) WHERE waived < uncollected;
CREATE INDEX uncollected_of_account ON uncollected (account_id, position);

-- name: add
INSERT INTO uncollected (account_id, number, position, recorded_at, hold, task_id, collected, uncollected)
SELECT account_id, number, position, at, nullif(hold, 0), task_id, collected, uncollected
FROM unnest(
    %(accounts)s::text[], %(numbers)s::bigint[], %(positions)s::bigint[], %(times)s::timestamptz[], %(holds)s::bigint[],
    %(tasks)s::text[], %(collected)s::bigint[], %(uncollected)s::bigint[]
) AS r (account_id, number, position, at, hold, task_id, collected, uncollected);

-- name: waive
UPDATE uncollected AS u SET waived = u.waived + r.waived
FROM unnest(%(accounts)s::text[], %(numbers)s::bigint[], %(waived)s::numeric[]) AS r (account_id, number, waived)
WHERE u.account_id = r.account_id AND u.number = r.number;

-- name: page
-- The deductions of all accounts, newest first.
SELECT account_id, number, position, recorded_at, hold, task_id, collected, uncollected, waived
FROM projection_uncollected.uncollected
WHERE position < %(before)s
ORDER BY position DESC
LIMIT %(limit)s;

-- name: open_page
-- The same, where something is left to collect.
SELECT account_id, number, position, recorded_at, hold, task_id, collected, uncollected, waived
FROM projection_uncollected.uncollected
WHERE position < %(before)s AND waived < uncollected
ORDER BY position DESC
LIMIT %(limit)s;

-- name: page_of_account
-- The deductions of one account, of some status or of all.
SELECT account_id, number, position, recorded_at, hold, task_id, collected, uncollected, waived
FROM projection_uncollected.uncollected
WHERE account_id = %(account)s AND position < %(before)s
  AND (NOT %(open)s OR waived < uncollected)
ORDER BY position DESC
LIMIT %(limit)s;
