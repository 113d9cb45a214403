-- What people say about themselves, copies of everything, and the end of a user.

-- name: profile
SELECT user_id, email, name, avatar_url, zone, language, mails_off, password_set_at IS NOT NULL AS has_password,
       created_at, last_sign_in_at, deletion_at
FROM people.users WHERE user_id = %(user_id)s;

-- name: change
-- What is null stays; an empty text removes.
UPDATE people.users SET
    name = coalesce(%(name)s::text, name),
    avatar_url = nullif(coalesce(%(avatar_url)s::text, avatar_url), ''),
    zone = nullif(coalesce(%(zone)s::text, zone), ''),
    language = nullif(coalesce(%(language)s::text, language), ''),
    mails_off = coalesce(%(mails_off)s::text[], mails_off)
WHERE user_id = %(user_id)s
RETURNING user_id, email, name, avatar_url, zone, language, mails_off, password_set_at IS NOT NULL AS has_password,
          created_at, last_sign_in_at, deletion_at;

-- name: first_steps
-- What a user did already, in an account that they may manage.
SELECT first_steps_hidden AS hidden, email_verified_at IS NOT NULL AS verified,
       EXISTS (SELECT FROM people.api_keys WHERE account_id = %(account_id)s) AS has_key,
       EXISTS (SELECT FROM people.members AS m JOIN people.members AS o USING (team_id)
               WHERE m.user_id = u.user_id AND o.user_id <> u.user_id) AS has_teammate
FROM people.users AS u WHERE user_id = %(user_id)s;

-- name: hide_first_steps
UPDATE people.users SET first_steps_hidden = true WHERE user_id = %(user_id)s;

-- name: mail_choice
-- Whether a user wants mails of a kind, and with what the links are signed that end them.
SELECT NOT %(kind)s = ANY (u.mails_off) AS wants, s.value AS secret
FROM people.users AS u JOIN people.secrets AS s ON s.name = 'mail choices' WHERE u.user_id = %(user_id)s;

-- name: end_mails
UPDATE people.users SET mails_off = array_append(array_remove(mails_off, %(kind)s), %(kind)s)
WHERE user_id = %(user_id)s RETURNING user_id;

-- name: ask_deletion
-- Who asks again does not put it off.
UPDATE people.users SET deletion_at = coalesce(deletion_at, %(at)s) WHERE user_id = %(user_id)s
RETURNING deletion_at;

-- name: owned_teams
SELECT count(*) AS teams FROM people.members WHERE user_id = %(user_id)s AND role = 'owner';

-- name: take_back
UPDATE people.users SET deletion_at = NULL
WHERE user_id = %(user_id)s AND deletion_at > %(now)s RETURNING user_id;

-- name: due
-- Not who owns a team, whose members depend on them: programs of before handed teams to people who had asked.
SELECT user_id FROM people.users AS u WHERE deletion_at <= %(now)s
  AND NOT EXISTS (SELECT FROM people.members AS m WHERE m.user_id = u.user_id AND m.role = 'owner')
ORDER BY deletion_at LIMIT %(limit)s;

-- name: lock_due
-- The addresses of a user who is due, if nobody else erases them now. Whatever is about a user locks them first, and
-- after them the changes of keys; then come the rows of members, sessions and all others (docs/adr/0101).
SELECT email, former_emails FROM people.users AS u WHERE user_id = %(user_id)s AND deletion_at <= %(now)s
  AND NOT EXISTS (SELECT FROM people.members AS m WHERE m.user_id = u.user_id AND m.role = 'owner')
FOR UPDATE SKIP LOCKED;

-- name: lock_key_changes
SELECT pg_advisory_xact_lock(hashtextextended('people.key_log', 0));

-- name: erase_sessions
-- Their own, and the links of the product into their account.
DELETE FROM people.sessions WHERE user_id = %(user_id)s OR account_id = %(user_id)s;

-- name: end_keys
-- Those of their account, and their own in the accounts of teams.
SELECT people.end_keys(
    account_id, NULL, CASE WHEN account_id = %(user_id)s THEN NULL ELSE %(user_id)s::text END, %(now)s)
FROM (SELECT DISTINCT account_id FROM people.api_keys
      WHERE revoked_at IS NULL AND account_id IS NOT NULL AND %(user_id)s IN (account_id, member)) AS accounts;

-- name: erase_keys
-- What they were called, and where they were used from.
SELECT people.erase_keys(%(user_id)s);

-- name: erase_tokens
DELETE FROM people.tokens
WHERE user_id = %(user_id)s OR email = ANY (%(emails)s) OR new_email = ANY (%(emails)s);

-- name: erase_registrations
DELETE FROM people.registrations WHERE email = ANY (%(emails)s);

-- name: erase_invitations
DELETE FROM people.invitations WHERE email = ANY (%(emails)s);

-- name: erase_teams
-- What the deleted teams were called that they made or named. Those of others go on as they are.
UPDATE people.teams AS t SET name = 'erased', slug = 'erased'
WHERE t.deleted_at IS NOT NULL AND (t.made_by = %(user_id)s OR t.team_id IN (
    SELECT a.subject FROM people.audit AS a WHERE a.actor = %(user_id)s AND a.action IN ('team.renamed', 'team.deleted')));

-- name: erase_attempts
DELETE FROM people.attempts WHERE address = ANY (%(digests)s);

-- name: erase_user
DELETE FROM people.users WHERE user_id = %(user_id)s;

-- name: lock_user
-- Whoever is erased at the moment is waited for.
SELECT user_id FROM people.users WHERE user_id = %(user_id)s FOR KEY SHARE;

-- name: ask_export
-- None, when the user has several open already.
INSERT INTO people.exports (export_id, user_id, asked_at, expires_at)
SELECT %(export_id)s, %(user_id)s, %(now)s, %(expires_at)s
WHERE (SELECT count(*) FROM people.exports WHERE user_id = %(user_id)s AND expires_at > %(now)s) < %(most)s
RETURNING export_id, asked_at, expires_at;

-- name: forget_exports
DELETE FROM people.exports WHERE user_id = %(user_id)s AND expires_at <= %(now)s;

-- name: export
SELECT export_id, asked_at, expires_at FROM people.exports
WHERE export_id = %(export_id)s AND user_id = %(user_id)s AND expires_at > %(now)s;

-- name: everything_user
SELECT user_id, external_id, email, former_emails, name, email_verified_at, password_set_at, created_at,
       account_opened_at, last_sign_in_at, avatar_url, zone, language, mails_off, first_steps_hidden, disabled_at,
       deletion_at
FROM people.users WHERE user_id = %(user_id)s;

-- name: everything_sessions
-- Without their secrets.
SELECT session_id, kind, client, created_at, used_at, expires_at, ended_at
FROM people.sessions WHERE user_id = %(user_id)s ORDER BY session_id;

-- name: everything_keys
-- Without their secrets.
SELECT prefix, key_id, name, scopes, account_id, created_at, expires_at, disabled_at, revoked_at, last_used_at
FROM people.api_keys WHERE %(user_id)s IN (account_id, member) ORDER BY created_at, prefix;

-- name: everything_key_networks
-- From where they were used lately.
SELECT n.key_id, n.network, n.used_on FROM people.key_networks AS n
WHERE n.key_id IN (SELECT k.key_id FROM people.api_keys AS k WHERE %(user_id)s IN (k.account_id, k.member))
ORDER BY n.key_id, n.network;

-- name: everything_identities
-- As whom a provider knows them.
SELECT issuer, subject, created_at FROM people.identities WHERE user_id = %(user_id)s ORDER BY created_at, issuer, subject;
-- name: everything_teams
SELECT m.team_id, t.name, t.slug, m.role, m.status, m.joined_at
FROM people.members AS m JOIN people.teams AS t USING (team_id) WHERE m.user_id = %(user_id)s
ORDER BY m.joined_at, m.team_id;

-- name: everything_audit
SELECT entry_id, at, action, actor, subject, account_id, details FROM people.audit
WHERE %(user_id)s IN (actor, subject, account_id) ORDER BY entry_id;
