-- The append function looks rows up by their keys, also before the server has statistics. PostgreSQL 18 may answer an EXISTS
-- that is part of an expression from a hash of the whole table, and that plan is made while the log is empty: each append
-- of a new ledger read all events, until the first ANALYZE. A scalar subquery has no such plan. It checks the same as before.

-- A batch fits when none of its rows is an erasure, and each account ends where its first row continues. That is one
-- look-up by equality: versions have no gaps, so an account that goes on after it has the version of that first row, which
-- the primary key refuses. A used key is refused by its index, as the rows go in. Rows that only check are looked up.
CREATE OR REPLACE FUNCTION ledger.append(
    accounts text[], versions bigint[], topics text[], states bytea[], subjects text[],
    receipts text[], fingerprints bytea[], counts integer[], previouses bytea[], hashes bytea[],
    key_accounts text[], new_keys bytea[],
    OUT first_position bigint, OUT stale text[], OUT used bigint[]
) LANGUAGE plpgsql SECURITY DEFINER
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    several boolean := array_position(previouses, NULL) IS NOT NULL;  -- some account has several rows
    fits boolean := true;
BEGIN
    -- unnest in SELECT goes through the arrays together. In FROM, it stores their rows first.
    IF several THEN
        fits := NOT EXISTS (
            SELECT FROM (
                SELECT r.version, r.previous, lag(CASE WHEN r.topic IS NULL THEN r.version ELSE r.version + 1 END)
                       OVER (PARTITION BY r.account ORDER BY r.n) AS next
                FROM (
                    SELECT unnest(accounts) COLLATE "C" AS account, unnest(versions) AS version, unnest(topics) AS topic,
                           unnest(previouses) AS previous, generate_series(1, cardinality(accounts)) AS n
                ) AS r
            ) AS r
            WHERE CASE WHEN r.next IS NULL THEN r.previous IS NOT NULL
                       ELSE r.previous IS NULL AND r.version = r.next END IS NOT TRUE
        );
    END IF;
    IF cardinality(key_accounts) > 0 THEN
        fits := fits AND NOT EXISTS (SELECT unnest(key_accounts) EXCEPT SELECT unnest(accounts));
    END IF;
    PERFORM ledger.lock_appends();
    IF fits THEN
        fits := array_remove(topics, NULL) <@ ARRAY(
            SELECT t.topic FROM ledger.topics AS t WHERE t.topic <> 'TextsErased'
        ) AND NOT EXISTS (
            SELECT FROM (
                SELECT unnest(accounts) AS account, unnest(versions) AS version, unnest(topics) AS topic,
                       unnest(states) AS state, unnest(receipts) AS receipt, unnest(previouses) AS previous
            ) AS r
            WHERE (CASE
                WHEN r.topic IS NOT NULL THEN json_typeof(convert_from(r.state, 'UTF8')::json) = 'object'
                ELSE r.state IS NULL AND (
                    SELECT true FROM ledger.events AS e
                    WHERE e.originator_id = r.account AND e.originator_version = r.version
                ) IS NULL AND (
                    SELECT true FROM ledger.events AS e WHERE e.originator_id = r.account AND e.receipt = r.receipt
                ) IS NULL
            END AND CASE
                WHEN r.previous IS NULL THEN several
                -- The library's own streams may begin at 0.
                WHEN r.previous = ledger.genesis() THEN r.version = 1 AND (
                    SELECT true FROM ledger.events AS e WHERE e.originator_id = r.account AND e.originator_version = 0
                ) IS NULL
                ELSE (
                    SELECT e.hash = r.previous FROM ledger.events AS e
                    WHERE e.originator_id = r.account AND e.originator_version = r.version - 1
                )
            END) IS NOT TRUE
        );
    END IF;
    IF fits THEN
        BEGIN
            first_position := coalesce((SELECT max(e.notification_id) FROM ledger.events AS e), 0) + 1;
            INSERT INTO ledger.events (
                originator_id, originator_version, topic, state, notification_id,
                subject, receipt, fingerprint, command_events, hash
            )
            SELECT r.account, r.version, r.topic, r.state, first_position - 1 + row_number() OVER (),
                   r.subject, r.receipt, r.fingerprint, r.count, r.hash
            FROM (
                SELECT unnest(accounts) AS account, unnest(versions) AS version, unnest(topics) AS topic,
                       unnest(states) AS state, unnest(subjects) AS subject, unnest(receipts) AS receipt,
                       unnest(fingerprints) AS fingerprint, unnest(counts) AS count, unnest(hashes) AS hash
            ) AS r
            WHERE r.topic IS NOT NULL;
            IF cardinality(new_keys) > 0 THEN
                INSERT INTO ledger.text_keys (account_id, key) SELECT unnest(key_accounts), unnest(new_keys);
            END IF;
            stale := '{}';
            used := '{}';
            RETURN;
        EXCEPTION WHEN integrity_constraint_violation THEN
            NULL;  -- nothing of it was appended; such as a used key, which `append_excluding` finds
        END;
    END IF;
    SELECT * INTO first_position, stale, used FROM ledger.append_excluding(
        accounts, versions, topics, states, subjects, receipts, fingerprints, counts, previouses, hashes, key_accounts,
        new_keys
    );
END
$$;
