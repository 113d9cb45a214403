-- Users, registrations and mailed secrets. Times come from the service, whose clock is the ledger's.

-- name: user_by_email
SELECT user_id, email, name, created_at, password_set_at, account_opened_at, password_hash
FROM people.users WHERE email = %(email)s;

-- name: is_theirs
-- Whether an account is that of an address, or of a team in which it is.
SELECT EXISTS (
    SELECT FROM people.users AS u WHERE u.email = %(email)s AND (u.user_id = %(account_id)s OR EXISTS (
        SELECT FROM people.members AS m
        WHERE m.team_id = %(account_id)s AND m.user_id = u.user_id AND m.status = 'active'))
);

-- name: user
SELECT user_id, email, name, created_at, password_set_at, account_opened_at FROM people.users
WHERE user_id = %(user_id)s;

-- name: hash_of
SELECT password_hash FROM people.users WHERE user_id = %(user_id)s;

-- name: register
INSERT INTO people.registrations
    (user_id, sha256, pending_sha256, email, name, password_hash, created_at, expires_at)
VALUES (%(user_id)s, %(sha256)s, %(pending)s, %(email)s, %(name)s, %(hash)s, %(now)s, %(expires_at)s);

-- name: remail
-- The newest registration of an address gets another mailed secret; the earlier one ends. Without a registration the
-- secret is of nobody, and takes as long to write.
WITH again AS (
    UPDATE people.registrations SET sha256 = %(sha256)s, expires_at = %(expires_at)s
    WHERE user_id = (
        SELECT user_id FROM people.registrations WHERE email = %(email)s AND expires_at > %(now)s
        ORDER BY created_at DESC, user_id LIMIT 1
    ) AND NOT EXISTS (SELECT FROM people.users WHERE email = %(email)s)
    RETURNING user_id
), nobody AS (
    INSERT INTO people.tokens (sha256, purpose, email, created_at, expires_at)
    SELECT %(sha256)s, 'link', %(email)s, %(now)s, %(expires_at)s WHERE NOT EXISTS (SELECT FROM again)
)
SELECT user_id FROM again;

-- name: registration
-- The one of a mailed link, if that would make a user now.
SELECT r.email, r.password_hash FROM people.registrations AS r WHERE r.sha256 = %(sha256)s AND r.expires_at > %(now)s
  AND NOT EXISTS (SELECT FROM people.users AS u WHERE u.email = r.email);

-- name: verify
-- The first registration of an address whose mailed link is opened becomes its user.
WITH opened AS (
    DELETE FROM people.registrations WHERE sha256 = %(sha256)s AND expires_at > %(now)s
    RETURNING user_id, email, name, password_hash
)
INSERT INTO people.users
    (user_id, email, name, email_verified_at, password_hash, password_set_at, created_at)
SELECT user_id, email, name, %(now)s, password_hash, %(now)s, %(now)s FROM opened
ON CONFLICT (email) DO NOTHING
RETURNING user_id, email, name, created_at, password_set_at, account_opened_at;

-- name: drop_registrations
DELETE FROM people.registrations WHERE email = %(email)s;

-- name: account_opened
UPDATE people.users SET account_opened_at = coalesce(account_opened_at, %(now)s) WHERE user_id = %(user_id)s;

-- name: begin_session
INSERT INTO people.sessions
    (cookie_sha256, account_id, user_id, kind, client, created_at, link_expires_at, expires_at, begun_at, used_at)
VALUES (%(sha256)s, %(user_id)s, %(user_id)s, %(kind)s, %(client)s, %(now)s, %(now)s, %(expires_at)s, %(now)s, %(now)s);

-- name: note_sign_in
-- This locks the user before anything of theirs, as their erasure does: neither waits for the other. Whoever disables them
-- ends the session that begins now, or comes first: then none begins. None who is erased.
UPDATE people.users SET last_sign_in_at = %(now)s WHERE user_id = %(user_id)s RETURNING disabled_at;

-- name: person
-- The open session of a token, and its user.
SELECT s.session_id, s.created_at AS begun_at, s.used_at, s.expires_at, u.user_id, u.email, u.name, u.created_at,
       u.password_set_at, u.account_opened_at
FROM people.sessions AS s JOIN people.users AS u USING (user_id)
WHERE s.cookie_sha256 = %(sha256)s AND s.kind = %(kind)s AND s.ended_at IS NULL AND s.expires_at > %(now)s;

-- name: renew
UPDATE people.sessions SET used_at = %(now)s, expires_at = %(expires_at)s
WHERE session_id = %(session_id)s AND ended_at IS NULL;

-- name: sessions_of
SELECT session_id, kind, client, created_at, used_at, expires_at, session_id = %(current)s AS current
FROM people.sessions WHERE user_id = %(user_id)s AND ended_at IS NULL AND expires_at > %(now)s
ORDER BY session_id DESC LIMIT 100;

-- name: end_session
UPDATE people.sessions SET ended_at = %(now)s, id_token = NULL
WHERE session_id = %(session_id)s AND user_id = %(user_id)s AND ended_at IS NULL RETURNING session_id;

-- name: end_sessions
-- All of a user but one, if one is named.
UPDATE people.sessions SET ended_at = %(now)s, id_token = NULL
WHERE user_id = %(user_id)s AND ended_at IS NULL AND session_id IS DISTINCT FROM %(except)s;

-- name: make_token
INSERT INTO people.tokens
    (sha256, purpose, user_id, email, password_set_at, new_email, created_at, expires_at)
VALUES (%(sha256)s, %(purpose)s, %(user_id)s, %(email)s, %(password_set_at)s, %(new_email)s, %(now)s, %(expires_at)s);

-- name: is_usable
-- Whether use_token would take it.
SELECT EXISTS (
    SELECT FROM people.tokens AS t JOIN people.users AS u USING (user_id)
    WHERE t.sha256 = %(sha256)s AND t.purpose = %(purpose)s AND t.used_at IS NULL AND t.expires_at > %(now)s
      AND (t.purpose IN ('undo', 'keep') OR (u.email = t.email AND u.password_set_at IS NOT DISTINCT FROM t.password_set_at))
) AS usable;

-- name: use_token
-- A mailed secret is used once; this one statement decides who is the first. All but `undo` and `keep` end with a change
-- of the address or of the password. Its user is locked before it, as by whatever else is about a user.
WITH u AS MATERIALIZED (
    SELECT one.* FROM people.users AS one JOIN people.tokens AS mailed USING (user_id)
    WHERE mailed.sha256 = %(sha256)s AND mailed.purpose = %(purpose)s FOR NO KEY UPDATE OF one
)
UPDATE people.tokens AS t SET used_at = %(now)s FROM u
WHERE t.sha256 = %(sha256)s AND t.purpose = %(purpose)s AND t.used_at IS NULL AND t.expires_at > %(now)s
  AND u.user_id = t.user_id
  AND (t.purpose IN ('undo', 'keep') OR (u.email = t.email AND u.password_set_at IS NOT DISTINCT FROM t.password_set_at))
RETURNING u.user_id, u.email, u.name, u.created_at, u.password_set_at, u.account_opened_at, t.email AS told_at, t.new_email,
    t.created_at AS mailed_at;

-- name: end_tokens
-- Those of a user with some purposes.
UPDATE people.tokens SET used_at = %(now)s
WHERE user_id = %(user_id)s AND purpose = ANY (%(purposes)s) AND used_at IS NULL;

-- name: end_undos_since
-- The ways back that were mailed later: whoever has had the address since must not take it back from who had it before.
UPDATE people.tokens SET used_at = %(now)s
WHERE user_id = %(user_id)s AND purpose = 'undo' AND created_at >= %(since)s AND used_at IS NULL;

-- name: keys_made
-- The newest secrets of keys that a user made and that work, those that were used last first.
SELECT k.prefix, k.name, t.name AS team_name, k.last_used_at
FROM people.api_keys AS k LEFT JOIN people.teams AS t ON t.team_id = k.account_id
WHERE k.made_by = %(user_id)s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > %(now)s)
  AND NOT EXISTS (SELECT FROM people.api_keys AS later WHERE later.key_id = k.key_id AND later.replaces = k.prefix)
ORDER BY k.last_used_at DESC NULLS LAST, k.created_at DESC, k.prefix LIMIT 1000;

-- name: user_of_token
SELECT user_id FROM people.tokens WHERE sha256 = %(sha256)s AND purpose = %(purpose)s AND user_id IS NOT NULL;

-- name: end_keys_since
-- Those that a user has made or rotated since, with all of their secrets.
SELECT made.account_id, ended.key_id
FROM (SELECT DISTINCT account_id, key_id FROM people.api_keys
      WHERE made_by = %(user_id)s AND revoked_at IS NULL AND created_at >= %(since)s) AS made,
     LATERAL unnest(people.end_keys(made.account_id, made.key_id, NULL, %(now)s)) AS ended (key_id);

-- name: end_identities_since
DELETE FROM people.identities WHERE user_id = %(user_id)s AND created_at >= %(since)s;

-- name: stay
-- Whoever takes their address back does not want to be erased.
UPDATE people.users SET deletion_at = NULL WHERE user_id = %(user_id)s AND deletion_at > %(now)s RETURNING user_id;

-- name: set_password
UPDATE people.users SET password_hash = %(hash)s, password_set_at = %(now)s WHERE user_id = %(user_id)s;

-- name: set_email
-- The one before is kept: mails to it are deleted with the user.
UPDATE people.users SET email = %(email)s, email_verified_at = %(now)s,
    former_emails = array_append(array_remove(array_remove(former_emails, email), %(email)s), email)
WHERE user_id = %(user_id)s
RETURNING user_id, email, name, created_at, password_set_at, account_opened_at;

-- name: lock_attempts
-- Those of one address, or of one network, are counted one after the other.
SELECT pg_advisory_xact_lock(name) FROM (
    SELECT DISTINCT hashtextextended('people.attempts ' || given, 0) AS name FROM unnest(%(names)s::text[]) AS given
    ORDER BY name
) AS names;

-- name: attempt
-- Note an attempt, unless there were too many. `lately` is how many there were for the address in a quarter of an hour, and
-- `lately_here` how many of them came from the network. A network has one count for several kinds.
INSERT INTO people.attempts (kind, address, network, at)
SELECT %(kind)s, %(address)s, %(network)s, %(now)s
WHERE (SELECT count(*) FROM people.attempts
       WHERE kind = ANY (%(kinds)s) AND network = %(network)s AND at > %(now)s::timestamptz - interval '1 hour')
      < %(of_network)s
  AND (SELECT count(*) FROM people.attempts
       WHERE kind = %(kind)s AND address = %(address)s AND at > %(now)s::timestamptz - interval '1 hour')
      < %(of_address)s
  AND (SELECT count(*) FROM people.attempts
       WHERE kind = %(kind)s AND address = %(address)s AND network = %(network)s
         AND at > %(now)s::timestamptz - interval '15 minutes')
      < %(of_both)s
RETURNING attempt_id, (
    SELECT count(*) FROM people.attempts
    WHERE kind = %(kind)s AND address = %(address)s AND at > %(now)s::timestamptz - interval '15 minutes'
) AS lately, (
    SELECT count(*) FROM people.attempts
    WHERE kind = %(kind)s AND address = %(address)s AND network = %(network)s
      AND at > %(now)s::timestamptz - interval '15 minutes'
) AS lately_here;

-- name: withdraw_attempt
DELETE FROM people.attempts WHERE attempt_id = %(attempt_id)s;

-- name: forget
-- Delete what is over, at most 100 rows of each kind at a time. A registration or a secret that somebody else is at
-- is left for the next time.
WITH attempts AS (
    DELETE FROM people.attempts WHERE attempt_id IN (
        SELECT attempt_id FROM people.attempts WHERE at < %(now)s::timestamptz - interval '1 hour' ORDER BY at LIMIT 100)
), registrations AS (
    DELETE FROM people.registrations WHERE user_id IN (
        SELECT user_id FROM people.registrations WHERE expires_at < %(now)s
        ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED)
)
DELETE FROM people.tokens WHERE sha256 IN (
    SELECT sha256 FROM people.tokens WHERE expires_at < %(now)s ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED
);
