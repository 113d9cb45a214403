-- All statements of the store, by name.

-- name: append
-- Append one batch (see ledger.append), and return the server process: a writer is always served by the same one.
SELECT first_position, stale, used, pg_backend_pid() AS pid
FROM ledger.append(
    %(accounts)b, %(versions)b, %(topics)b, %(states)b, %(subjects)b, %(receipts)b, %(fingerprints)b, %(counts)b,
    %(previouses)b, %(hashes)b, %(key_accounts)b, %(new_keys)b
);

-- name: load
-- The rows that bring accounts up to date. For an account at version `known`: the events after it. For an unknown account
-- (known = 0): its newest snapshot of this format, and the events after that. At most `limit` events for each account.
-- A row has all that is needed to verify that the event continues its account's chain. The row of a snapshot is that of
-- its event, with the hash before it (`previous`): loading.py decides whether that event proves the snapshot.
-- A known version counts only if the log has it with the same hash (`stands`), because a failover may have removed it; if
-- not, the account is treated as unknown. An account with nothing to fold has one row without a version.
SELECT a.account, a.stands, r.*, k.key
FROM (
    SELECT account, stands, CASE WHEN stands THEN known ELSE 0 END AS known
    FROM unnest(%(accounts)s::text[], %(known)s::bigint[], %(hashes)s::bytea[]) AS b (account, known, hash)
    CROSS JOIN LATERAL (
        -- A scalar subquery: an EXISTS may be planned as a hash of the whole log while that is small.
        SELECT b.known = 0 OR coalesce((
            SELECT e.hash = b.hash FROM ledger.events AS e
            WHERE e.originator_id = b.account AND e.originator_version = b.known
        ), false) AS stands
    ) AS found
) AS a
LEFT JOIN ledger.text_keys AS k ON k.account_id = a.account
LEFT JOIN LATERAL (
    SELECT s.originator_version AS version, s.state FROM ledger.snapshots AS s
    WHERE a.known = 0 AND s.originator_id = a.account AND s.topic = %(snapshot)s
      AND EXISTS (SELECT FROM ledger.events AS e WHERE e.originator_id = s.originator_id
                  AND e.originator_version = s.originator_version AND e.hash = s.hash)
    ORDER BY s.originator_version DESC LIMIT 1
) AS snap ON true
LEFT JOIN LATERAL (
    (SELECT e.notification_id AS position, e.originator_version AS version, e.topic, e.state, e.subject, e.receipt,
            e.fingerprint, e.command_events, e.hash, before.hash AS previous, snap.state AS snapshot
     FROM ledger.events AS e
     LEFT JOIN ledger.events AS before
       ON before.originator_id = e.originator_id AND before.originator_version = e.originator_version - 1
     WHERE e.originator_id = a.account AND e.originator_version = snap.version)
    UNION ALL
    (SELECT e.notification_id, e.originator_version, e.topic, e.state, e.subject, e.receipt, e.fingerprint,
            e.command_events, e.hash, NULL, NULL
     FROM ledger.events AS e
     WHERE e.originator_id = a.account AND e.originator_version > coalesce(snap.version, a.known)
     ORDER BY e.originator_version LIMIT %(limit)s)
) AS r ON true
ORDER BY a.account, r.version;

-- name: load_at
-- The newest snapshot at or below version `upto`, and the events after it up to that version, a page at a time. The rows
-- are those of `load`, without the text key.
SELECT a.account, true AS stands, r.*, NULL::bytea AS key
FROM (VALUES (%(account)s::text, %(after)s::bigint, %(upto)s::bigint)) AS a (account, after, upto)
LEFT JOIN LATERAL (
    SELECT s.originator_version AS version, s.state FROM ledger.snapshots AS s
    WHERE a.after = 0 AND s.originator_id = a.account AND s.topic = %(snapshot)s AND s.originator_version <= a.upto
      AND EXISTS (SELECT FROM ledger.events AS e WHERE e.originator_id = s.originator_id
                  AND e.originator_version = s.originator_version AND e.hash = s.hash)
    ORDER BY s.originator_version DESC LIMIT 1
) AS snap ON true
CROSS JOIN LATERAL (
    (SELECT e.notification_id AS position, e.originator_version AS version, e.topic, e.state, e.subject, e.receipt,
            e.fingerprint, e.command_events, e.hash, before.hash AS previous, snap.state AS snapshot
     FROM ledger.events AS e
     LEFT JOIN ledger.events AS before
       ON before.originator_id = e.originator_id AND before.originator_version = e.originator_version - 1
     WHERE e.originator_id = a.account AND e.originator_version = snap.version)
    UNION ALL
    (SELECT e.notification_id, e.originator_version, e.topic, e.state, e.subject, e.receipt, e.fingerprint,
            e.command_events, e.hash, NULL, NULL
     FROM ledger.events AS e
     WHERE e.originator_id = a.account AND e.originator_version > coalesce(snap.version, a.after)
       AND e.originator_version <= a.upto
     ORDER BY e.originator_version LIMIT %(limit)s)
) AS r
ORDER BY r.version;

-- name: newest_events
-- The newest version of each of some accounts, its position and its hash.
SELECT a.account, e.version, e.position, e.hash
FROM unnest(%(accounts)s::text[]) AS a (account)
CROSS JOIN LATERAL (
    SELECT originator_version AS version, notification_id AS position, hash
    FROM ledger.events
    WHERE originator_id = a.account
    ORDER BY originator_version DESC
    LIMIT 1
) AS e;

-- name: event
-- One event of one account.
SELECT originator_version AS version, topic, state, notification_id AS position, hash
FROM ledger.events
WHERE originator_id = %(account)s AND originator_version = %(version)s;

-- name: version_at
-- The newest version of an account at or below a position. Version and position grow together, so this bisects: the number
-- of index look-ups is the number of binary digits of the newest version, however long the stream is.
WITH RECURSIVE halves (low, high) AS (
    (SELECT 0::bigint, originator_version::bigint FROM ledger.events
     WHERE originator_id = %(account)s
     ORDER BY originator_version DESC LIMIT 1)
    UNION ALL
    SELECT CASE WHEN e.notification_id <= %(position)s THEN e.originator_version ELSE h.low END,
           CASE WHEN e.notification_id <= %(position)s THEN h.high ELSE e.originator_version - 1 END
    FROM halves AS h
    CROSS JOIN LATERAL (
        SELECT originator_version, notification_id FROM ledger.events
        WHERE originator_id = %(account)s AND originator_version = (h.low + h.high + 1) / 2
        LIMIT 1
    ) AS e
    WHERE h.low < h.high
)
SELECT low AS version FROM halves WHERE low = high;

-- name: related_events
-- The events that made one of some subjects (their versions) or are about one of them, in stream order, each with the hash
-- of the event before it. An event may come twice. The subject lps_7 stands for all events in which credits of grant 7 lapsed:
-- they are about something else, and have two indexes of their own, whose conditions are repeated here.
SELECT a.account, e.notification_id AS position, e.originator_version AS version, e.topic, e.state, e.subject, e.receipt,
       e.fingerprint, e.command_events, e.hash, before.hash AS previous
FROM unnest(%(accounts)s::text[], %(subjects)s::text[], %(versions)s::bigint[]) AS a (account, subject, version)
CROSS JOIN LATERAL (
    SELECT * FROM ledger.events WHERE originator_id = a.account AND originator_version = a.version
    UNION ALL
    SELECT * FROM ledger.events WHERE originator_id = a.account AND subject = a.subject
    UNION ALL
    SELECT * FROM ledger.events
    WHERE a.subject ^@ 'lps_' AND originator_id = a.account AND originator_version > a.version
      AND (topic = 'CreditsExpired'
           OR topic IN ('HoldCaptured', 'HoldExpired', 'HoldReleased', 'DeductionReversed', 'TransferReversed')
              AND position('"fate":"lapsed"'::bytea IN state) > 0)
      AND position(convert_to('"grt_' || a.version || '"', 'UTF8') IN state) > 0
    UNION ALL
    SELECT * FROM ledger.events
    WHERE a.subject ^@ 'lps_' AND originator_id = a.account AND originator_version > a.version
      AND topic = 'DisputeRecorded' AND position('"fate":"lapsed"'::bytea IN state) > 0
      AND position(convert_to('"grt_' || a.version || '"', 'UTF8') IN state) > 0
) AS e
LEFT JOIN ledger.events AS before
  ON before.originator_id = e.originator_id AND before.originator_version = e.originator_version - 1
ORDER BY a.account, e.originator_version;

-- name: payments_of_others
-- Of some payments those that another account has recorded, each with one such account.
SELECT p.account, p.provider, p.subject, e.other
FROM unnest(%(accounts)s::text[], %(providers)s::text[], %(subjects)s::text[]) AS p (account, provider, subject)
CROSS JOIN LATERAL (
    SELECT originator_id AS other FROM ledger.events
    WHERE topic = 'PaymentRecorded' AND subject = p.subject AND ledger.provider_of(state) = p.provider
      AND originator_id <> p.account
    LIMIT 1
) AS e;

-- name: related_rows
-- The same events of one account, as stored, up to a version, each once.
SELECT DISTINCT ON (e.originator_version)
       e.notification_id AS position, e.originator_id AS account_id, e.originator_version AS version, e.topic, e.state
FROM unnest(%(subjects)s::text[], %(versions)s::bigint[]) AS a (subject, version)
CROSS JOIN LATERAL (
    SELECT * FROM ledger.events WHERE originator_id = %(account)s AND originator_version = a.version
    UNION ALL
    SELECT * FROM ledger.events WHERE originator_id = %(account)s AND subject = a.subject
    UNION ALL
    SELECT * FROM ledger.events
    WHERE a.subject ^@ 'lps_' AND originator_id = %(account)s AND originator_version > a.version
      AND (topic = 'CreditsExpired'
           OR topic IN ('HoldCaptured', 'HoldExpired', 'HoldReleased', 'DeductionReversed', 'TransferReversed')
              AND position('"fate":"lapsed"'::bytea IN state) > 0)
      AND position(convert_to('"grt_' || a.version || '"', 'UTF8') IN state) > 0
    UNION ALL
    SELECT * FROM ledger.events
    WHERE a.subject ^@ 'lps_' AND originator_id = %(account)s AND originator_version > a.version
      AND topic = 'DisputeRecorded' AND position('"fate":"lapsed"'::bytea IN state) > 0
      AND position(convert_to('"grt_' || a.version || '"', 'UTF8') IN state) > 0
) AS e
WHERE e.originator_version <= %(upto)s
ORDER BY e.originator_version;

-- name: receipts
-- All events of the commands that used some keys, each with the hash of the event before it.
SELECT a.account, a.receipt AS used, e.notification_id AS position, e.originator_version AS version, e.topic, e.state,
       e.subject, e.receipt, e.fingerprint, e.command_events, e.hash, before.hash AS previous, k.key
FROM unnest(%(accounts)s::text[], %(receipts)s::text[]) AS a (account, receipt)
LEFT JOIN ledger.text_keys AS k ON k.account_id = a.account
JOIN ledger.events AS last ON last.originator_id = a.account AND last.receipt = a.receipt
JOIN LATERAL (
    SELECT * FROM ledger.events AS e
    WHERE e.originator_id = a.account
      AND e.originator_version > last.originator_version - last.command_events
      AND e.originator_version <= last.originator_version
) AS e ON true
LEFT JOIN ledger.events AS before
  ON before.originator_id = e.originator_id AND before.originator_version = e.originator_version - 1
ORDER BY a.account, a.receipt, e.originator_version;

-- name: stream
-- A page of one account's events as stored.
SELECT notification_id AS position, originator_id AS account_id, originator_version AS version, topic, state
FROM ledger.events
WHERE originator_id = %(account)s AND originator_version > %(after)s
ORDER BY originator_version
LIMIT %(limit)s;

-- name: streams
-- The next events of some accounts, each above its own version, up to a position.
SELECT e.notification_id AS position, e.originator_id AS account_id, e.originator_version AS version, e.topic, e.state
FROM unnest(%(accounts)s::text[], %(versions)s::bigint[]) AS a (account, version)
CROSS JOIN LATERAL (
    SELECT * FROM ledger.events
    WHERE originator_id = a.account AND originator_version > a.version AND notification_id <= %(upto)s
    ORDER BY originator_version
    LIMIT %(limit)s
) AS e
ORDER BY e.originator_id, e.originator_version;

-- name: log
-- A page of the whole log, of some types or (null) of all.
SELECT notification_id AS position, originator_id AS account_id, originator_version AS version, topic, state
FROM ledger.events
WHERE notification_id > %(after)s AND notification_id <= %(upto)s
  AND (%(types)s::text[] IS NULL OR topic = ANY (%(types)s))
ORDER BY notification_id
LIMIT %(limit)s;

-- name: records
-- A page of the whole log, all columns.
SELECT notification_id, originator_id, originator_version, topic, state, subject, receipt, fingerprint, command_events,
       hash
FROM ledger.events
WHERE notification_id > %(after)s AND notification_id <= %(upto)s
ORDER BY notification_id
LIMIT %(limit)s;

-- name: records_of
-- A page of one account's events, all columns.
SELECT notification_id, originator_id, originator_version, topic, state, subject, receipt, fingerprint, command_events,
       hash
FROM ledger.events
WHERE originator_id = %(account)s AND originator_version > %(after)s
ORDER BY originator_version
LIMIT %(limit)s;

-- name: records_about
-- Some events of one account, and those about a subject, all columns, each with the hash of the event before it. A missing
-- event is absent.
SELECT e.notification_id, e.originator_id, e.originator_version, e.topic, e.state, e.subject, e.receipt, e.fingerprint,
       e.command_events, e.hash, before.hash AS previous
FROM (
    SELECT unnest(%(versions)s::bigint[]) AS version
    UNION
    SELECT originator_version FROM ledger.events WHERE originator_id = %(account)s AND subject = %(subject)s
) AS v
JOIN ledger.events AS e ON e.originator_id = %(account)s AND e.originator_version = v.version
LEFT JOIN ledger.events AS before
  ON before.originator_id = e.originator_id AND before.originator_version = e.originator_version - 1
ORDER BY e.originator_version;

-- name: text_keys
-- The text keys of some accounts. An account without a key, or whose key was destroyed, is absent.
SELECT account_id AS account, key FROM ledger.text_keys WHERE account_id = ANY (%(accounts)s::text[]);

-- name: all_text_keys
-- A page of all text keys, sorted by account.
SELECT account_id AS account, key FROM ledger.text_keys
WHERE account_id > %(after)s
ORDER BY account_id
LIMIT %(limit)s;

-- name: hashes_of
-- The hashes of some events, by account and version. A missing event is absent.
SELECT a.account, a.version, e.hash
FROM unnest(%(accounts)s::text[], %(versions)s::bigint[]) AS a (account, version)
JOIN ledger.events AS e ON e.originator_id = a.account AND e.originator_version = a.version;

-- name: ends
-- The last version and hash of some accounts. An account without events is absent.
SELECT a.account, e.originator_version AS version, e.hash
FROM unnest(%(accounts)s::text[]) AS a (account)
CROSS JOIN LATERAL (
    SELECT originator_version, hash FROM ledger.events WHERE originator_id = a.account
    ORDER BY originator_version DESC LIMIT 1
) AS e;

-- name: last_position
-- The position of the last event; 0 when the log is empty.
SELECT coalesce(max(notification_id), 0) AS position FROM ledger.events;

-- name: confirm
-- With synchronous standbys: write a record whose commit waits for them. Without standbys: do nothing.
SELECT pg_logical_emit_message(true, 'credit-ledger', ''::text) IS NOT NULL AS waits
WHERE current_setting('synchronous_standby_names') <> '' AND NOT pg_is_in_recovery();

-- name: accounts
-- A page of account ids above `after`, sorted. It goes from one id to the next by index; DISTINCT would read every row.
WITH RECURSIVE ids AS (
    (SELECT originator_id AS id FROM ledger.events WHERE originator_id > %(after)s ORDER BY originator_id LIMIT 1)
    UNION ALL
    SELECT (SELECT e.originator_id FROM ledger.events AS e WHERE e.originator_id > ids.id
            ORDER BY e.originator_id LIMIT 1)
    FROM ids WHERE ids.id IS NOT NULL
)
SELECT id FROM ids WHERE id IS NOT NULL LIMIT %(limit)s;

-- name: kept_snapshots
-- The snapshots of some accounts, of one format.
SELECT originator_id AS account, originator_version::bigint AS version, state
FROM ledger.snapshots
WHERE originator_id = ANY (%(accounts)s::text[]) AND topic = %(snapshot)s
ORDER BY originator_id, originator_version;

-- name: accounts_with_snapshots
-- A page of the accounts that have snapshots of one format, sorted.
SELECT DISTINCT originator_id AS account FROM ledger.snapshots
WHERE originator_id > %(after)s AND topic = %(snapshot)s
ORDER BY originator_id
LIMIT %(limit)s;

-- name: save_snapshots
-- Store those snapshots that their events prove (see ledger.save_snapshots).
SELECT ledger.save_snapshots(
    %(accounts)s::text[], %(versions)s::bigint[], %(topics)s::text[], %(states)s::bytea[], %(hashes)s::bytea[]
);

-- name: as_who_logged_in
-- Return to the role of the login for a moment; see roles.py.
SET ROLE NONE;

-- name: as_before
RESET ROLE;

-- name: identify
-- The server process of this connection, which `fence` needs later.
SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid();

-- name: fence
-- End the server process of a lost connection and wait until it has ended, so that it cannot commit any more.
SELECT pg_terminate_backend(pid, 5000) AS ended
FROM pg_stat_activity
WHERE pid = %(pid)s AND backend_start = %(backend_start)s;

-- name: take_lock
SELECT pg_try_advisory_lock(%(number)s);

-- name: lock_holder
-- The server process that has a session lock, if any has.
SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (classid::bigint << 32) | objid::bigint = %(number)s;

-- name: end_lock_holder
-- End a server process and wait until it has ended, if it still has that lock.
SELECT pg_terminate_backend(pid, 5000) AS ended FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = %(pid)s
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (classid::bigint << 32) | objid::bigint = %(number)s;

-- name: database_time
-- The database's time, and whether its clock is another machine's: a connection over a socket, or from an address to
-- itself, stays on one machine.
SELECT extract(epoch FROM clock_timestamp())::float8 AS at,
       inet_server_addr() IS DISTINCT FROM inet_client_addr() AS elsewhere;
