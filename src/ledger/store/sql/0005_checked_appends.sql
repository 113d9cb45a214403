-- The append function checks what it can check cheaply, so that whoever has only the right to call it cannot write what
-- nobody can read, cannot leave out a version, and cannot destroy a text key without the event that says so. It does not
-- compute the hashes again: that would make an append take half as long again. Whoever signs, projects or decides does it.

-- The types of events: those of ledger.domain.events. A migration adds a new one.
CREATE TABLE ledger.topics (
    topic text COLLATE "C" PRIMARY KEY
);
INSERT INTO ledger.topics (topic) VALUES
    ('AccountClosed'), ('AccountFrozen'), ('AccountOpened'), ('AccountUnfrozen'), ('CreditsDeducted'),
    ('CreditsExpired'), ('CreditsGranted'), ('CreditsHeld'), ('DeductionReversed'), ('GrantVoided'),
    ('HoldCaptured'), ('HoldExpired'), ('HoldExtended'), ('HoldReleased'), ('PaymentRecorded'),
    ('PaymentRefunded'), ('TextsErased');

ALTER FUNCTION ledger.field SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION ledger.link SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION ledger.genesis SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION ledger.refuse_change SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION ledger.lock_appends SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION ledger.destroy_keys SET search_path = pg_catalog, pg_temp;

-- Fails unless a batch is well-formed. The rows are those of ledger.append.
CREATE FUNCTION ledger.check_batch(
    accounts text[], versions bigint[], topics text[], states bytea[], previouses bytea[], key_accounts text[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text;
BEGIN
    -- One pass over all rows, because each costs about as much as a look-up.
    SELECT format('account %s, version %s: %s', r.account, r.version, CASE
        WHEN r.topic IS NOT NULL AND r.kind IS DISTINCT FROM 'object' THEN 'its state is no JSON object'
        WHEN r.before IS NULL AND r.previous IS NULL THEN 'the first row has no previous hash'
        WHEN r.before IS NOT NULL AND r.previous IS NOT NULL THEN 'a later row has a previous hash'
        ELSE 'the versions are not consecutive'
    END) INTO problem
    FROM (
        SELECT r.account, r.version, r.topic, r.previous, lag(r.version) OVER w AS before,
               lag(r.topic) OVER w AS topic_before, json_typeof(convert_from(r.state, 'UTF8')::json) AS kind
        FROM unnest(accounts, versions, topics, states, previouses) WITH ORDINALITY
             AS r (account, version, topic, state, previous, n)
        WINDOW w AS (PARTITION BY r.account COLLATE "C" ORDER BY r.n)
    ) AS r
    WHERE (r.before IS NULL) <> (r.previous IS NOT NULL)
       OR r.version <> r.before + CASE WHEN r.topic_before IS NULL THEN 0 ELSE 1 END
       OR r.topic IS NOT NULL AND r.kind IS DISTINCT FROM 'object'
    LIMIT 1;
    IF problem IS NULL AND NOT array_remove(topics, NULL) <@ ARRAY(SELECT t.topic FROM ledger.topics AS t) THEN
        problem := 'it has an event of an unknown type';
    END IF;
    IF problem IS NULL AND cardinality(key_accounts) > 0 AND EXISTS (
        SELECT FROM (SELECT unnest(key_accounts) EXCEPT SELECT unnest(accounts)) AS k (account)
        WHERE NOT EXISTS (SELECT FROM ledger.events AS e WHERE e.originator_id = k.account)
    ) THEN
        problem := 'it has the key of an account that does not exist';
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'the batch is malformed: %', problem USING ERRCODE = 'check_violation';
    END IF;
END
$$;

-- Fails unless each event TextsErased of a batch is one: chained, with the state of an erasure, of an account that exists.
-- Erasures are rare, so this computes their hashes.
CREATE FUNCTION ledger.check_erasures(
    accounts text[], versions bigint[], topics text[], states bytea[], subjects text[], receipts text[],
    fingerprints bytea[], counts integer[], previouses bytea[], hashes bytea[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (
            -- A check has no hash: the row behind it continues the same event.
            SELECT r.*, coalesce(r.previous, lag(coalesce(r.hash, r.previous)) OVER (
                PARTITION BY r.account COLLATE "C" ORDER BY r.n
            )) AS before
            FROM unnest(accounts, versions, topics, states, subjects, receipts, fingerprints, counts, previouses, hashes)
                 WITH ORDINALITY
                 AS r (account, version, topic, state, subject, receipt, fingerprint, count, previous, hash, n)
            WHERE r.topic IS NOT NULL OR r.previous IS NOT NULL
        ) AS r
        CROSS JOIN LATERAL (SELECT convert_from(r.state, 'UTF8')::json AS state) AS told
        WHERE r.topic = 'TextsErased' AND (
            r.version < 2
            OR json_typeof(told.state #> '{data,balance}') IS DISTINCT FROM 'object'
            OR told.state ->> 'schema' IS DISTINCT FROM '1'
            OR told.state ->> 'recorded_at' IS NULL
            OR r.hash IS DISTINCT FROM ledger.link(
                r.before, r.account, r.version, r.topic, r.state, r.subject, r.receipt, r.fingerprint, r.count
            )
        )
    ) THEN
        RAISE EXCEPTION 'the batch is malformed: an erasure is not one' USING ERRCODE = 'check_violation';
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION ledger.check_batch FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION ledger.check_erasures FROM PUBLIC;

-- As before (0002_chain.sql), after these checks. All names are qualified: the caller can lend none another meaning.
CREATE OR REPLACE FUNCTION ledger.append(
    accounts text[], versions bigint[], topics text[], states bytea[], subjects text[],
    receipts text[], fingerprints bytea[], counts integer[], previouses bytea[], hashes bytea[],
    key_accounts text[], new_keys bytea[],
    OUT first_position bigint, OUT stale text[], OUT used bigint[]
) LANGUAGE plpgsql SECURITY DEFINER
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    excluded text[];
BEGIN
    PERFORM ledger.check_batch(accounts, versions, topics, states, previouses, key_accounts);
    IF 'TextsErased' = ANY (topics) THEN
        PERFORM ledger.check_erasures(
            accounts, versions, topics, states, subjects, receipts, fingerprints, counts, previouses, hashes
        );
    END IF;
    PERFORM ledger.lock_appends();

    stale := ARRAY(
        SELECT r.account
        FROM unnest(accounts, versions, previouses) AS r (account, version, previous)
        LEFT JOIN LATERAL (
            SELECT e.originator_version AS version, e.hash FROM ledger.events AS e WHERE e.originator_id = r.account
            ORDER BY e.originator_version DESC LIMIT 1
        ) AS head ON true
        WHERE r.previous IS NOT NULL
          -- A new stream begins at 1; the library's own streams may begin at 0.
          AND (r.version <> coalesce(head.version + 1, least(r.version, 1))
               OR r.previous <> coalesce(head.hash, ledger.genesis()))
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
        subject, receipt, fingerprint, command_events, hash
    )
    SELECT r.account, r.version, r.topic, r.state, first_position - 1 + row_number() OVER (ORDER BY r.n),
           r.subject, r.receipt, r.fingerprint, r.count, r.hash
    FROM unnest(accounts, versions, topics, states, subjects, receipts, fingerprints, counts, hashes)
         WITH ORDINALITY AS r (account, version, topic, state, subject, receipt, fingerprint, count, hash, n)
    WHERE r.topic IS NOT NULL AND r.account <> ALL (excluded);

    IF 'TextsErased' = ANY (topics) THEN
        PERFORM ledger.destroy_keys(ARRAY(
            SELECT r.account FROM unnest(accounts, topics) AS r (account, topic)
            WHERE r.topic = 'TextsErased' AND r.account <> ALL (excluded)
        ));
    END IF;
    IF cardinality(new_keys) > 0 THEN
        INSERT INTO ledger.text_keys (account_id, key)
        SELECT r.account, r.key FROM unnest(key_accounts, new_keys) AS r (account, key)
        WHERE r.account <> ALL (excluded);
    END IF;
END
$$;
