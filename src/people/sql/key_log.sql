-- name: exists
-- Whether the database has a log of keys.
SELECT to_regclass('people.key_log') IS NOT NULL;

-- name: both
-- The log and the keys, at one moment.
SELECT
    (SELECT coalesce(json_agg(json_build_object('number', number, 'entry', entry, 'hash', encode(hash, 'hex'))
                              ORDER BY number), '[]') FROM people.key_log) AS entries,
    (SELECT coalesce(json_agg(json_build_object(
        'prefix', prefix, 'sha256', encode(sha256, 'hex'), 'name', name, 'scopes', to_json(scopes),
        'created_at', created_at, 'expires_at', expires_at, 'revoked_at', revoked_at
    )), '[]') FROM people.api_keys) AS keys;
