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
-- With `first`, only while there is no key at all; two processes that start at once make one.
SELECT people.create_key(%(prefix)s, %(sha256)s, %(name)s, %(scopes)s, %(expires_at)s, %(first)s);

-- name: revoke_key
SELECT people.revoke_key(%(prefix)s);

-- name: touch_keys
SELECT people.touch_keys(%(prefixes)s);
