-- name: exists
-- Whether the database has a log of keys.
SELECT to_regclass('people.key_log') IS NOT NULL;

-- name: both
-- The log and the keys, at one moment.
SELECT
    (SELECT coalesce(json_agg(json_build_object('number', number, 'entry', entry, 'hash', encode(hash, 'hex'))
                              ORDER BY number), '[]') FROM people.key_log) AS entries,
    (SELECT coalesce(json_agg(to_jsonb(k) || jsonb_build_object('sha256', encode(k.sha256, 'hex'))), '[]')
     FROM people.api_keys AS k) AS keys;
