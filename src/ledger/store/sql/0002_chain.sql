-- The hash chain of each account, the keys of its texts, and the append function that knows both.

-- What the hash of an event is; store/chain.py says the same in Python. Every field stands after its length.
CREATE FUNCTION ledger.field(value bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value IS NULL THEN '\xffffffff'::bytea ELSE int4send(length(value)) || value END
$$;

CREATE FUNCTION ledger.link(
    previous bytea, account text, version bigint, topic text, state bytea,
    subject text, receipt text, fingerprint bytea, command_events integer
) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(
        ledger.field(previous) || ledger.field(convert_to(account, 'UTF8')) || ledger.field(int8send(version))
        || ledger.field(convert_to(topic, 'UTF8')) || ledger.field(state)
        || ledger.field(convert_to(subject, 'UTF8')) || ledger.field(convert_to(receipt, 'UTF8'))
        || ledger.field(fingerprint) || ledger.field(int4send(command_events))
    )
$$;

-- What comes before the first event of an account.
CREATE FUNCTION ledger.genesis() RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT decode(repeat('00', 32), 'hex')
$$;

ALTER TABLE ledger.events ADD COLUMN hash bytea CHECK (length(hash) = 32);

-- A log that was begun before there was a chain is chained as it is found, once.
DO $$
DECLARE
    account text := NULL;
    previous bytea;
    event record;
BEGIN
    FOR event IN SELECT * FROM ledger.events ORDER BY originator_id, originator_version LOOP
        IF account IS DISTINCT FROM event.originator_id THEN
            account := event.originator_id;
            previous := ledger.genesis();
        END IF;
        previous := ledger.link(
            previous, event.originator_id, event.originator_version, event.topic, event.state,
            event.subject, event.receipt, event.fingerprint, event.command_events
        );
        UPDATE ledger.events AS e SET hash = previous
        WHERE e.originator_id = event.originator_id AND e.originator_version = event.originator_version;
    END LOOP;
END
$$;

ALTER TABLE ledger.events ALTER COLUMN hash SET NOT NULL;

-- A snapshot counts only while its event is in the log with this hash: one of another history is never believed.
DELETE FROM ledger.snapshots;
ALTER TABLE ledger.snapshots ADD COLUMN hash bytea;

-- One key for each account that has texts. Without it they are gone, in every copy of them.
CREATE TABLE ledger.text_keys (
    account_id text COLLATE "C" PRIMARY KEY,
    key        bytea NOT NULL CHECK (length(key) = 32)
);

DROP FUNCTION ledger.append(text[], bigint[], text[], bytea[], text[], text[], bytea[], integer[]);

-- Appends one batch and says what could not be appended.
--
-- One row per event, in stream order for each account. The last row of a command has its receipt, fingerprint and
-- number of events. A row without a topic appends nothing: it only checks, for a command that was refused, that the
-- refusal stands on the newest version of its account and that its key is unused. The first row of each account says
-- in `previouses` with which hash the account must end now (genesis() for a new one); the others say nothing there.
-- `new_keys` are the text keys of accounts (`key_accounts`) that had none. An event TextsErased destroys the key of its
-- account, in this very transaction.
--
-- stale: accounts that do not end one version below their first row, with that hash: somebody else wrote. Nothing of
--        theirs is appended.
-- used:  numbers (from 1) of rows whose receipt exists. When such a row has an event, nothing of its account is appended.
-- Everything else is appended, in order, at positions from first_position on, without a hole.
CREATE FUNCTION ledger.append(
    accounts text[], versions bigint[], topics text[], states bytea[], subjects text[],
    receipts text[], fingerprints bytea[], counts integer[], previouses bytea[], hashes bytea[],
    key_accounts text[], new_keys bytea[],
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

-- What an erasure destroys. Snapshots go too: they are made again from the events.
CREATE FUNCTION ledger.destroy_keys(accounts text[]) RETURNS void LANGUAGE sql AS $$
    DELETE FROM ledger.text_keys WHERE account_id = ANY (accounts);
    DELETE FROM ledger.snapshots WHERE originator_id = ANY (accounts);
$$;

DROP VIEW ledger.event_log;
CREATE VIEW ledger.event_log AS
SELECT notification_id AS position,
       originator_id AS account_id,
       originator_version AS version,
       topic AS type,
       (convert_from(state, 'UTF8')::json ->> 'recorded_at')::timestamptz AS recorded_at,
       convert_from(state, 'UTF8')::json -> 'data' AS data,
       convert_from(state, 'UTF8')::json -> 'metadata' AS metadata,
       hash
FROM ledger.events;
