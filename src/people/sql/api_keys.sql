-- name: all_keys
-- Every key, newest last.
SELECT prefix, sha256, name, scopes, created_at, expires_at, revoked_at, last_used_at
FROM people.api_keys
ORDER BY created_at, prefix;

-- name: find_key
-- One key by its hash.
SELECT prefix, sha256, name, scopes, created_at, expires_at, revoked_at, last_used_at
FROM people.api_keys
WHERE sha256 = %(sha256)s;

-- name: create_key
INSERT INTO people.api_keys (prefix, sha256, name, scopes, expires_at)
VALUES (%(prefix)s, %(sha256)s, %(name)s, %(scopes)s, %(expires_at)s);

-- name: create_first_key
-- Only while there is no key at all; two processes that start at once make one.
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('people.api_keys', 0)))
INSERT INTO people.api_keys (prefix, sha256, name, scopes)
SELECT %(prefix)s, %(sha256)s, %(name)s, %(scopes)s FROM turn
WHERE NOT EXISTS (SELECT FROM people.api_keys)
RETURNING prefix;

-- name: revoke_key
UPDATE people.api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE prefix = %(prefix)s RETURNING prefix;

-- name: touch_keys
UPDATE people.api_keys SET last_used_at = greatest(last_used_at, now()) WHERE prefix = ANY (%(prefixes)s);
