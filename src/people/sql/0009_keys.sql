-- Keys of people beside those of services, in one table. A key has an id, `key_id`, that its rotations keep: the prefix
-- of its first secret. A row is one secret of it. `changed` orders the changes of all keys, so that a process reads
-- only what it has not seen. Scopes of keys of accounts have names of their own: a program of before knows no accounts,
-- and must not take them for scopes of services.
CREATE SEQUENCE people.key_changes;

ALTER TABLE people.api_keys
    ADD COLUMN key_id          text COLLATE "C",
    ADD COLUMN account_id      text COLLATE "C",  -- null: the key is a service's
    ADD COLUMN member          text COLLATE "C",  -- whose use of the account it is
    ADD COLUMN made_by         text COLLATE "C",
    ADD COLUMN rate_per_minute integer CHECK (rate_per_minute > 0),
    ADD COLUMN disabled_at     timestamptz,
    ADD COLUMN replaces        text COLLATE "C",  -- the prefix of the secret before
    ADD COLUMN changed         bigint;
UPDATE people.api_keys SET key_id = prefix, changed = nextval('people.key_changes');
ALTER TABLE people.api_keys
    ALTER COLUMN key_id SET NOT NULL,
    ALTER COLUMN changed SET NOT NULL,
    ADD CONSTRAINT api_keys_of_members CHECK (account_id IS NOT NULL OR member IS NULL),
    ADD CONSTRAINT api_keys_of_accounts CHECK (account_id IS NULL OR scopes <@ '{own:read,own:write,own:admin}');
CREATE UNIQUE INDEX api_keys_by_change ON people.api_keys (changed);
CREATE INDEX api_keys_by_id ON people.api_keys (key_id);
CREATE INDEX api_keys_by_account ON people.api_keys (account_id, key_id) WHERE account_id IS NOT NULL;

-- The numbers of changes become visible in their order, because changes wait for each other. Use is no change.
CREATE FUNCTION people.number_key_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        OLD.last_used_at := NEW.last_used_at;
        IF NEW IS NOT DISTINCT FROM OLD THEN
            RETURN NEW;
        END IF;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));
    NEW.key_id := coalesce(NEW.key_id, NEW.prefix);
    NEW.changed := nextval('people.key_changes');
    RETURN NEW;
END
$$;
CREATE TRIGGER change_numbered BEFORE INSERT OR UPDATE ON people.api_keys
FOR EACH ROW EXECUTE FUNCTION people.number_key_change();

-- Append an entry about a key as it is now. Its hash is SHA-256 over the hash before it (32 zero bytes before the
-- first) and the bytes of the entry.
CREATE OR REPLACE FUNCTION people.log_key(action text, key people.api_keys) RETURNS void LANGUAGE plpgsql
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
            'created_at', key.created_at, 'expires_at', key.expires_at, 'revoked_at', key.revoked_at,
            'key_id', key.key_id, 'account_id', key.account_id, 'member', key.member, 'made_by', key.made_by,
            'rate_per_minute', key.rate_per_minute, 'disabled_at', key.disabled_at, 'replaces', key.replaces
        )
    );
    INSERT INTO people.key_log (number, entry, hash) VALUES (
        coalesce(last.number, 0) + 1, entry,
        sha256(coalesce(last.hash, decode(repeat('00', 32), 'hex')) || convert_to(entry, 'UTF8'))
    );
END
$$;

-- What whoever made a key is in its account, now: a key of a product's service is as one of the owner's.
CREATE FUNCTION people.role_behind(account_id text, made_by text) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN account_id IS NULL THEN NULL
                WHEN NOT starts_with(made_by, 'usr_') OR made_by = account_id THEN 'owner' END
$$;

-- Make a key of an account. Returns whether it was made: not while the account has `most` keys that are not revoked.
CREATE FUNCTION people.make_key(
    prefix text, sha256 bytea, name text, scopes text[], created_at timestamptz, expires_at timestamptz,
    account_id text, member text, made_by text, rate_per_minute integer, most integer
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made people.api_keys;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));
    IF (SELECT count(DISTINCT k.key_id) FROM people.api_keys AS k
        WHERE k.account_id = make_key.account_id AND k.revoked_at IS NULL
          AND (k.expires_at IS NULL OR k.expires_at > make_key.created_at)) >= most THEN
        RETURN false;
    END IF;
    INSERT INTO people.api_keys
        (prefix, sha256, name, scopes, created_at, expires_at, account_id, member, made_by, rate_per_minute)
    VALUES (make_key.prefix, make_key.sha256, make_key.name, make_key.scopes, make_key.created_at, make_key.expires_at,
            make_key.account_id, make_key.member, make_key.made_by, make_key.rate_per_minute)
    RETURNING * INTO made;
    PERFORM people.log_key('created', made);
    RETURN true;
END
$$;

-- Change a key of an account: what is null stays. The end moves for its newest secret alone. Returns the number of its
-- secrets that changed.
CREATE FUNCTION people.change_key(
    key_id text, account_id text, name text, rate_per_minute integer, expires_at timestamptz, disabled boolean,
    at timestamptz
) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    one people.api_keys;
    count integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));
    FOR one IN
        UPDATE people.api_keys AS k SET
            name = coalesce(change_key.name, k.name),
            rate_per_minute = coalesce(change_key.rate_per_minute, k.rate_per_minute),
            expires_at = CASE
                WHEN EXISTS (SELECT FROM people.api_keys AS l WHERE l.key_id = k.key_id AND l.replaces = k.prefix)
                THEN k.expires_at ELSE coalesce(change_key.expires_at, k.expires_at) END,
            disabled_at = CASE change_key.disabled WHEN true THEN coalesce(k.disabled_at, at)
                WHEN false THEN NULL ELSE k.disabled_at END
        WHERE k.key_id = change_key.key_id AND k.account_id = change_key.account_id AND k.revoked_at IS NULL
        RETURNING k.*
    LOOP
        PERFORM people.log_key('changed', one);
        count := count + 1;
    END LOOP;
    RETURN count;
END
$$;

-- Give a key of an account another secret. The one before works until `ends_at`. Returns whether there is such a key
-- that is usable.
CREATE FUNCTION people.rotate_key(
    key_id text, account_id text, prefix text, sha256 bytea, at timestamptz, ends_at timestamptz
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before people.api_keys;
    made people.api_keys;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));
    SELECT * INTO before FROM people.api_keys AS k
    WHERE k.key_id = rotate_key.key_id AND k.account_id = rotate_key.account_id AND k.revoked_at IS NULL
      AND k.disabled_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > at)
      AND NOT EXISTS (SELECT FROM people.api_keys AS later WHERE later.key_id = k.key_id AND later.replaces = k.prefix);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO people.api_keys (prefix, sha256, name, scopes, created_at, expires_at, key_id, account_id, member,
                                 made_by, rate_per_minute, replaces)
    VALUES (rotate_key.prefix, rotate_key.sha256, before.name, before.scopes, at, before.expires_at, before.key_id,
            before.account_id, before.member, before.made_by, before.rate_per_minute, before.prefix)
    RETURNING * INTO made;
    PERFORM people.log_key('rotated', made);
    UPDATE people.api_keys AS k SET expires_at = least(k.expires_at, ends_at)
    WHERE k.key_id = made.key_id AND k.prefix <> made.prefix AND k.revoked_at IS NULL
      AND (k.expires_at IS NULL OR k.expires_at > ends_at);
    PERFORM people.log_key('replaced', k) FROM people.api_keys AS k WHERE k.prefix = before.prefix;
    RETURN true;
END
$$;

-- Revoke keys of an account: one by its id, those of a member, or all where neither is given. Returns the ids of those
-- that were not revoked before.
CREATE FUNCTION people.end_keys(account_id text, key_id text, member text, at timestamptz) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    one people.api_keys;
    ids text[] := '{}';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));
    FOR one IN
        UPDATE people.api_keys AS k SET revoked_at = at
        WHERE k.account_id = end_keys.account_id AND k.revoked_at IS NULL
          AND (end_keys.key_id IS NULL OR k.key_id = end_keys.key_id)
          AND (end_keys.member IS NULL OR k.member = end_keys.member)
        RETURNING k.*
    LOOP
        PERFORM people.log_key('revoked', one);
        ids := CASE WHEN one.key_id = ANY (ids) THEN ids ELSE ids || one.key_id END;
    END LOOP;
    RETURN ids;
END
$$;

REVOKE EXECUTE ON FUNCTION people.number_key_change FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION people.role_behind FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION people.make_key FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION people.change_key FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION people.rotate_key FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION people.end_keys FROM PUBLIC;
