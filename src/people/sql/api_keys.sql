-- name: all_keys
-- Every key, newest last.
SELECT prefix, name, scopes, created_at, expires_at, revoked_at, last_used_at, key_id, account_id, member, made_by,
       rate_per_minute, disabled_at, replaces, people.role_behind(account_id, made_by) AS role
FROM people.api_keys
ORDER BY created_at, prefix;

-- name: newest_keys
-- Those that changed last, for a process that begins.
SELECT prefix, name, scopes, created_at, expires_at, revoked_at, last_used_at, key_id, account_id, member, made_by,
       rate_per_minute, disabled_at, replaces, people.role_behind(account_id, made_by) AS role, sha256, changed
FROM people.api_keys
ORDER BY changed DESC LIMIT %(limit)s;

-- name: changed_keys
-- Those that changed after a change, the first ones first.
SELECT prefix, name, scopes, created_at, expires_at, revoked_at, last_used_at, key_id, account_id, member, made_by,
       rate_per_minute, disabled_at, replaces, people.role_behind(account_id, made_by) AS role, sha256, changed
FROM people.api_keys
WHERE changed > %(seen)s ORDER BY changed LIMIT %(limit)s;

-- name: find_key
-- One key by its hash.
SELECT prefix, name, scopes, created_at, expires_at, revoked_at, last_used_at, key_id, account_id, member, made_by,
       rate_per_minute, disabled_at, replaces, people.role_behind(account_id, made_by) AS role, sha256, changed
FROM people.api_keys
WHERE sha256 = %(sha256)s;

-- name: create_key
-- With `first`, only while there is no key at all; two processes that start at once make one.
SELECT people.create_key(%(prefix)s, %(sha256)s, %(name)s, %(scopes)s, %(expires_at)s, %(first)s);

-- name: revoke_key
SELECT people.revoke_key(%(prefix)s);

-- name: note_key_uses
-- Each secret that was used, from where, and what the audit log tells of that.
SELECT action, key_id, account_id, network, networks
FROM people.note_key_uses(%(prefixes)s, %(sources)s, %(at)s, %(days)s, %(most)s);

-- name: lock_changes
-- Whoever is removed from a team holds it until they have gone (docs/adr/0101).
SELECT pg_advisory_xact_lock(hashtextextended('people.key_log', 0));

-- name: role_behind
-- What whoever makes a key is in its account.
SELECT people.role_behind(%(account_id)s, %(made_by)s) AS role;

-- name: make_key
SELECT people.make_key(%(prefix)s, %(sha256)s, %(name)s, %(scopes)s, %(at)s, %(expires_at)s, %(account_id)s, %(member)s,
                       %(made_by)s, %(rate_per_minute)s, %(most)s) AS made;

-- name: change_key
SELECT people.change_key(%(key_id)s, %(account_id)s, %(name)s, %(rate_per_minute)s, %(expires_at)s, %(disabled)s,
                         %(at)s) AS changed;

-- name: rotate_key
SELECT people.rotate_key(%(key_id)s, %(account_id)s, %(prefix)s, %(sha256)s, %(at)s, %(ends_at)s) AS rotated;

-- name: end_keys
SELECT people.end_keys(%(account_id)s, %(key_id)s, %(member)s, %(at)s) AS ended;

-- name: ending_keys
-- The newest secrets that end until a moment, of keys that people made `before` it at the least.
SELECT k.key_id, k.prefix, k.account_id, k.expires_at, k.made_by, u.email
FROM people.api_keys AS k JOIN people.users AS u ON u.user_id = k.made_by
WHERE k.expires_at > %(now)s AND k.expires_at <= %(until)s AND k.created_at <= k.expires_at - %(before)s::interval
  AND k.revoked_at IS NULL AND k.disabled_at IS NULL AND k.key_id > %(after)s AND NOT EXISTS (
      SELECT FROM people.api_keys AS later WHERE later.key_id = k.key_id AND later.replaces = k.prefix)
ORDER BY k.key_id LIMIT %(limit)s;

-- name: listed_keys
-- The newest secret of each key, those that are not revoked first, the newest key first: those of an account, of a member
-- of it, or one; with `services` those of services too; with a text those about which it is: a part of their name, the part
-- of the key that may be shown, their id, their account, or who made them. With `created_at` those after a place in that
-- order.
SELECT prefix, name, scopes, created_at, expires_at, revoked_at, last_used_at, key_id, account_id, member, made_by,
       rate_per_minute, disabled_at, replaces, people.role_behind(account_id, made_by) AS role
FROM people.api_keys AS k
WHERE (%(services)s OR k.account_id IS NOT NULL)
  AND (%(account_id)s::text IS NULL OR k.account_id = %(account_id)s)
  AND (%(member)s::text IS NULL OR k.member = %(member)s)
  AND (%(key_id)s::text IS NULL OR k.key_id = %(key_id)s)
  AND (%(text)s::text IS NULL OR strpos(lower(k.name), lower(%(text)s)) > 0
       OR %(text)s IN (k.key_id, k.prefix, k.account_id, k.made_by) OR %(shown)s IN (k.key_id, k.prefix))
  AND NOT EXISTS (SELECT FROM people.api_keys AS later WHERE later.key_id = k.key_id AND later.replaces = k.prefix)
  AND (%(created_at)s::timestamptz IS NULL
       OR (k.revoked_at IS NULL, k.created_at, k.prefix) < (%(usable)s::boolean, %(created_at)s, %(prefix)s::text))
ORDER BY (k.revoked_at IS NULL) DESC, k.created_at DESC, k.prefix DESC
LIMIT %(limit)s;
