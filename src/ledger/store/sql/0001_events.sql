-- The log of all accounts, and the one function that writes to it.
--
-- Column names up to notification_id are those that the eventsourcing library reads and writes: originator_id is the
-- account, originator_version the version in its stream, notification_id the position in the whole log. The view
-- ledger.event_log says it in our own words.

CREATE TABLE ledger.events (
    originator_id      text COLLATE "C" NOT NULL,
    originator_version bigint NOT NULL,
    topic              text NOT NULL,
    state              bytea NOT NULL,
    notification_id    bigint NOT NULL,
    -- What earlier thing the event is about (past.py); null for most events.
    subject            text COLLATE "C",
    -- The receipt of the command, on its last event: operation:key, what was asked for, and how many events came of it.
    receipt            text COLLATE "C",
    fingerprint        bytea,
    command_events     integer,
    PRIMARY KEY (originator_id, originator_version),
    CHECK ((receipt IS NULL) = (fingerprint IS NULL) AND (receipt IS NULL) = (command_events IS NULL))
) WITH (
    -- Rows are never changed, so vacuum is needed for freezing and the visibility map only; statistics are needed early.
    autovacuum_vacuum_insert_scale_factor = 0.2,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05
);

CREATE UNIQUE INDEX events_position ON ledger.events (notification_id);
CREATE UNIQUE INDEX events_receipt ON ledger.events (originator_id, receipt) WHERE receipt IS NOT NULL;
CREATE INDEX events_subject ON ledger.events (originator_id, subject) WHERE subject IS NOT NULL;

-- Snapshots change cost, never meaning: all of them may be deleted at any moment.
CREATE TABLE ledger.snapshots (
    originator_id      text COLLATE "C" NOT NULL,
    originator_version bigint NOT NULL,
    topic              text NOT NULL,
    state              bytea NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
);

-- What the library's snapshot recorder inserts through.
CREATE TYPE ledger.stored_event_text AS (
    originator_id text, originator_version bigint, topic text, state bytea
);

-- One place for the lock that hands out positions: commit order is position order, because whoever appends holds it
-- until COMMIT. It is an advisory lock and not a table lock: autovacuum stays free, and a role that may only append
-- can take it.
CREATE FUNCTION ledger.lock_appends() RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtextextended('ledger.events', 0))
$$;

-- Appends one batch and says what could not be appended.
--
-- One row per event, in stream order for each account. The last row of a command has its receipt, fingerprint and
-- number of events. A row without a topic appends nothing: it only checks, for a command that was refused, that the
-- refusal stands on the newest version of its account and that its key is unused.
--
-- stale: accounts whose head is not one below their first row: somebody else wrote. Nothing of theirs is appended.
-- used:  numbers (from 1) of rows whose receipt exists. When such a row has an event, nothing of its account is appended.
-- Everything else is appended, in order, at positions from first_position on, without a hole.
CREATE FUNCTION ledger.append(
    accounts text[], versions bigint[], topics text[], states bytea[], subjects text[],
    receipts text[], fingerprints bytea[], counts integer[],
    OUT first_position bigint, OUT stale text[], OUT used bigint[]
) LANGUAGE plpgsql
-- A plan that is made while the table is empty must still be right when it is large: by index, row by row.
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    excluded text[];
BEGIN
    PERFORM ledger.lock_appends();

    stale := ARRAY(
        SELECT batch.account
        FROM (SELECT r.account, min(r.version) AS first FROM unnest(accounts, versions) AS r (account, version)
              GROUP BY r.account) AS batch
        LEFT JOIN LATERAL (
            SELECT e.originator_version AS version FROM ledger.events AS e WHERE e.originator_id = batch.account
            ORDER BY e.originator_version DESC LIMIT 1
        ) AS head ON true
        -- A new stream begins at 1; the library's own streams may begin at 0.
        WHERE batch.first <> coalesce(head.version + 1, least(batch.first, 1))
    );
    used := ARRAY(
        SELECT r.n FROM unnest(accounts, receipts) WITH ORDINALITY AS r (account, receipt, n)
        WHERE r.receipt IS NOT NULL AND EXISTS (
            SELECT FROM ledger.events AS e WHERE e.originator_id = r.account AND e.receipt = r.receipt
        )
    );
    excluded := stale || ARRAY(SELECT accounts[n] FROM unnest(used) AS n WHERE topics[n] IS NOT NULL);

    SELECT coalesce(max(e.notification_id), 0) + 1 INTO first_position FROM ledger.events AS e;

    INSERT INTO ledger.events (
        originator_id, originator_version, topic, state, notification_id,
        subject, receipt, fingerprint, command_events
    )
    SELECT r.account, r.version, r.topic, r.state, first_position - 1 + row_number() OVER (ORDER BY r.n),
           r.subject, r.receipt, r.fingerprint, r.count
    FROM unnest(accounts, versions, topics, states, subjects, receipts, fingerprints, counts)
         WITH ORDINALITY AS r (account, version, topic, state, subject, receipt, fingerprint, count, n)
    WHERE r.topic IS NOT NULL AND r.account <> ALL (excluded);
END
$$;

-- For people with psql: the log in our own words.
CREATE VIEW ledger.event_log AS
SELECT notification_id AS position,
       originator_id AS account_id,
       originator_version AS version,
       topic AS type,
       (convert_from(state, 'UTF8')::json ->> 'recorded_at')::timestamptz AS recorded_at,
       convert_from(state, 'UTF8')::json -> 'data' AS data,
       convert_from(state, 'UTF8')::json -> 'metadata' AS metadata
FROM ledger.events;

CREATE VIEW ledger.receipts AS
SELECT originator_id AS account_id,
       split_part(receipt, ':', 1) AS operation,
       substr(receipt, strpos(receipt, ':') + 1) AS idempotency_key,
       originator_version AS version,
       notification_id AS position,
       command_events
FROM ledger.events
WHERE receipt IS NOT NULL;
