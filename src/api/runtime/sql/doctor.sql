-- name: server
-- The version; whether the server is a standby or refuses changes; the settings with which a crash loses what was
-- acknowledged; how many connections there may be, and how many there are.
SELECT current_setting('server_version_num')::int,
       pg_is_in_recovery(),
       current_setting('default_transaction_read_only')::boolean,
       ARRAY(
           SELECT name || ' = ' || setting
           FROM pg_settings
           WHERE (name IN ('fsync', 'full_page_writes') AND setting = 'off')
              OR (name = 'synchronous_commit' AND setting IN ('off', 'local'))
       ),
       current_setting('max_connections')::int,
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend');
