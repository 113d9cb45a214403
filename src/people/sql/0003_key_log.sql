-- Who made and revoked API keys: a log of its own, in which each entry has the hash of the one before it. The service and
-- the command line change keys through the functions below alone, so that no key comes or goes without an entry.

CREATE TABLE people.key_log (
    number bigint PRIMARY KEY CHECK (number > 0),
    entry  text NOT NULL,  -- JSON, kept as it was hashed
    hash   bytea NOT NULL CHECK (octet_length(hash) = 32)
);

CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON people.key_log
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE people.key_log ENABLE ALWAYS TRIGGER never_changed;

CREATE TRIGGER never_emptied BEFORE TRUNCATE ON people.key_log
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE people.key_log ENABLE ALWAYS TRIGGER never_emptied;

-- Append an entry about a key as it is now. Its hash is SHA-256 over the hash before it (32 zero bytes before the first)
-- and the bytes of the entry.
CREATE FUNCTION people.log_key(action text, key people.api_keys) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last people.key_log;
    entry text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));
    SELECT * INTO last FROM people.key_log ORDER BY number DESC LIMIT 1;
    entry := json_build_object(
        'number', coalesce(last.number, 0) + 1, 'at', clock_timestamp(), 'login', session_user, 'action', action,
        'key', json_build_object(
            'prefix', key.prefix, 'sha256', encode(key.sha256, 'hex'), 'name', key.name, 'scopes', to_json(key.scopes),
            'created_at', key.created_at, 'expires_at', key.expires_at, 'revoked_at', key.revoked_at
        )
    );
    INSERT INTO people.key_log (number, entry, hash) VALUES (
        coalesce(last.number, 0) + 1, entry,
        sha256(coalesce(last.hash, decode(repeat('00', 32), 'hex')) || convert_to(entry, 'UTF8'))
    );
END
$$;

-- Make a key. With `first`, only while there is no key at all. Returns whether it was made.
CREATE FUNCTION people.create_key(
    prefix text, sha256 bytea, name text, scopes text[], expires_at timestamptz, first boolean
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made people.api_keys;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));
    IF first AND EXISTS (SELECT FROM people.api_keys) THEN
        RETURN false;
    END IF;
    INSERT INTO people.api_keys (prefix, sha256, name, scopes, expires_at)
    VALUES (create_key.prefix, create_key.sha256, create_key.name, create_key.scopes, create_key.expires_at)
    RETURNING * INTO made;
    PERFORM people.log_key('created', made);
    RETURN true;
END
$$;

-- Revoke a key. One that is revoked stays as it is. Returns whether there is such a key.
CREATE FUNCTION people.revoke_key(prefix text) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    revoked people.api_keys;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));
    UPDATE people.api_keys AS k SET revoked_at = now() WHERE k.prefix = revoke_key.prefix AND k.revoked_at IS NULL
    RETURNING * INTO revoked;
    IF NOT FOUND THEN
        RETURN EXISTS (SELECT FROM people.api_keys AS k WHERE k.prefix = revoke_key.prefix);
    END IF;
    PERFORM people.log_key('revoked', revoked);
    RETURN true;
END
$$;

-- Note that keys were used now. It is no administration, so it has no entry.
CREATE FUNCTION people.touch_keys(prefixes text[]) RETURNS void LANGUAGE sql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE people.api_keys SET last_used_at = greatest(last_used_at, now()) WHERE prefix = ANY (prefixes)
$$;

REVOKE EXECUTE ON FUNCTION people.log_key FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION people.create_key FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION people.revoke_key FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION people.touch_keys FROM PUBLIC;

-- The keys from before there was a log.
SELECT people.log_key('found', k) FROM people.api_keys AS k ORDER BY k.created_at, k.prefix;
