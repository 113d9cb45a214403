-- Where keys are used from, the order in which all keys are listed, and names of keys that can be erased.

CREATE INDEX api_keys_in_order ON people.api_keys ((revoked_at IS NULL), created_at, prefix);

-- The networks from which each key was used lately. There are few for each key, and none for a revoked one.
CREATE TABLE people.key_networks (
    key_id  text COLLATE "C" NOT NULL,
    network text COLLATE "C" NOT NULL,  -- 256 addresses of IPv4, or what IPv6 gives to one site
    used_on date NOT NULL,  -- the last day
    PRIMARY KEY (key_id, network)
);

-- Write down that secrets of keys were used, each from a network or from null. Returns what the audit log tells: the
-- first use of a key, and a network that it was not used from for `days`, unless it was used from `most` others. The
-- first network of all is no news. Processes that write at once, and whoever changes keys meanwhile, wait for each other.
CREATE FUNCTION people.note_key_uses(
    prefixes text[], sources text[], at timestamptz, days integer, most integer,
    OUT action text, OUT key_id text, OUT account_id text, OUT network text, OUT networks integer
) RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today date := (at AT TIME ZONE 'UTC')::date;
    one record;
    has record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));

    RETURN QUERY
    SELECT DISTINCT ON (k.key_id) 'key.first_used', k.key_id::text, k.account_id::text, u.source, NULL::integer
    FROM unnest(prefixes, sources) AS u (prefix, source) JOIN people.api_keys AS k ON k.prefix = u.prefix
    WHERE NOT EXISTS (SELECT FROM people.api_keys AS s WHERE s.key_id = k.key_id AND s.last_used_at IS NOT NULL)
    ORDER BY k.key_id, u.source;

    FOR one IN
        SELECT DISTINCT k.key_id, k.account_id, u.source
        FROM unnest(prefixes, sources) AS u (prefix, source) JOIN people.api_keys AS k ON k.prefix = u.prefix
        WHERE u.source IS NOT NULL AND k.revoked_at IS NULL AND NOT EXISTS (
            SELECT FROM people.key_networks AS n
            WHERE n.key_id = k.key_id AND n.network = u.source AND n.used_on >= today)
        ORDER BY k.key_id, u.source
    LOOP
        SELECT count(*) AS ever,
               count(*) FILTER (WHERE n.used_on > today - days) AS lately,
               coalesce(bool_or(n.network = one.source AND n.used_on > today - days), false) AS this
        INTO has FROM people.key_networks AS n WHERE n.key_id = one.key_id;
        CONTINUE WHEN has.lately >= most AND NOT has.this;
        INSERT INTO people.key_networks AS n VALUES (one.key_id, one.source, today)
        ON CONFLICT ON CONSTRAINT key_networks_pkey DO UPDATE SET used_on = EXCLUDED.used_on;
        CONTINUE WHEN has.this OR has.ever = 0;
        DELETE FROM people.key_networks AS n WHERE n.key_id = one.key_id AND n.used_on <= today - days;
        action := 'key.used_from_new_network';
        key_id := one.key_id;
        account_id := one.account_id;
        network := one.source;
        networks := has.lately + 1;
        RETURN NEXT;
    END LOOP;

    UPDATE people.api_keys AS k SET last_used_at = greatest(k.last_used_at, at) WHERE k.prefix = ANY (prefixes);
END
$$;

-- Where a key was used from is nobody's business when all its secrets are revoked.
CREATE FUNCTION people.forget_key_networks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM people.key_networks AS n WHERE n.key_id = NEW.key_id AND NEW.revoked_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM people.api_keys AS k WHERE k.key_id = NEW.key_id AND k.revoked_at IS NULL);
    RETURN NULL;
END
$$;
CREATE TRIGGER networks_forgotten AFTER UPDATE OF revoked_at ON people.api_keys
FOR EACH ROW EXECUTE FUNCTION people.forget_key_networks();

-- A name is in the log of keys as its SHA-256 with a salt, from now on. Name and salt are beside the log, so that both
-- can go while the log stays as it is: see docs/adr/0100-names-of-keys.md. Without a salt a name is erased.
ALTER TABLE people.api_keys
    ADD COLUMN name_salt bytea DEFAULT uuid_send(gen_random_uuid()) CHECK (octet_length(name_salt) = 16);

-- Append an entry about a key as it is now. Its hash is SHA-256 over the hash before it (32 zero bytes before the
-- first) and the bytes of the entry. `redacted` has the SHA-256 of each entry that lost a name, by its number.
DROP FUNCTION people.log_key(text, people.api_keys);
CREATE FUNCTION people.log_key(action text, key people.api_keys, redacted json DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last people.key_log;
    entry text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));
    SELECT * INTO last FROM people.key_log ORDER BY number DESC LIMIT 1;
    entry := json_build_object(
        'number', coalesce(last.number, 0) + 1, 'at', clock_timestamp(), 'login', session_user, 'action', action,
        'key', json_build_object(
            'prefix', key.prefix, 'sha256', encode(key.sha256, 'hex'),
            'name_sha256', encode(sha256(key.name_salt || convert_to(key.name, 'UTF8')), 'hex'),
            'scopes', to_json(key.scopes),
            'created_at', key.created_at, 'expires_at', key.expires_at, 'revoked_at', key.revoked_at,
            'key_id', key.key_id, 'account_id', key.account_id, 'member', key.member, 'made_by', key.made_by,
            'rate_per_minute', key.rate_per_minute, 'disabled_at', key.disabled_at, 'replaces', key.replaces
        ),
        'redacted', redacted
    );
    INSERT INTO people.key_log (number, entry, hash) VALUES (
        coalesce(last.number, 0) + 1, entry,
        sha256(coalesce(last.hash, decode(repeat('00', 32), 'hex')) || convert_to(entry, 'UTF8'))
    );
END
$$;

-- Entries of before have the names themselves. One such name may go, and nothing else changes, whoever asks.
CREATE INDEX key_log_with_names ON people.key_log ((entry::jsonb #>> '{key,prefix}'))
WHERE entry::jsonb #>> '{key,name}' IS NOT NULL;

CREATE FUNCTION people.refuse_key_log_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.number, NEW.hash, NEW.entry::jsonb) IS NOT DISTINCT FROM
       (OLD.number, OLD.hash, jsonb_set(OLD.entry::jsonb, '{key,name}', 'null', false)) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'people.key_log is append-only: UPDATE is refused' USING ERRCODE = 'insufficient_privilege';
END
$$;
DROP TRIGGER never_changed ON people.key_log;
CREATE TRIGGER never_changed BEFORE UPDATE ON people.key_log
FOR EACH ROW EXECUTE FUNCTION people.refuse_key_log_change();
ALTER TABLE people.key_log ENABLE ALWAYS TRIGGER never_changed;

CREATE TRIGGER never_deleted BEFORE DELETE ON people.key_log
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE people.key_log ENABLE ALWAYS TRIGGER never_deleted;

-- Forget what keys of a person were called, and where they were used from: those of their account, those that are for
-- them, and those that they made.
CREATE FUNCTION people.erase_keys(user_id text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    theirs text[];
    redacted json;
    one people.api_keys;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));
    SELECT array_agg(k.prefix) INTO theirs FROM people.api_keys AS k
    WHERE erase_keys.user_id IN (k.account_id, k.member, k.made_by) AND k.name_salt IS NOT NULL;
    WITH without AS (
        UPDATE people.key_log AS l SET entry = jsonb_set(l.entry::jsonb, '{key,name}', 'null', false)::text
        WHERE l.entry::jsonb #>> '{key,name}' IS NOT NULL AND l.entry::jsonb #>> '{key,prefix}' = ANY (theirs)
        RETURNING l.number, l.entry
    )
    SELECT json_object_agg(w.number, encode(sha256(convert_to(w.entry, 'UTF8')), 'hex')) INTO redacted
    FROM without AS w;
    FOR one IN
        UPDATE people.api_keys AS k SET name = 'erased', name_salt = NULL WHERE k.prefix = ANY (theirs) RETURNING k.*
    LOOP
        PERFORM people.log_key('erased', one, redacted);
        redacted := NULL;
    END LOOP;
    UPDATE people.audit AS a SET details = NULL WHERE a.details IS NOT NULL
      AND a.subject IN (SELECT 'key:' || k.key_id FROM people.api_keys AS k WHERE k.prefix = ANY (theirs));
    DELETE FROM people.key_networks AS n
    WHERE n.key_id IN (SELECT k.key_id FROM people.api_keys AS k WHERE k.prefix = ANY (theirs));
END
$$;

-- What whoever made a key is in its account, now. Who made one in an account that is no team's is its owner: people who
-- sign in at the provider of a product have accounts with ids of their own.
CREATE OR REPLACE FUNCTION people.role_behind(account_id text, made_by text) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN role_behind.account_id IS NULL THEN NULL
                WHEN NOT starts_with(role_behind.made_by, 'usr_') OR role_behind.made_by = role_behind.account_id
                     OR NOT EXISTS (SELECT FROM people.teams AS t WHERE t.team_id = role_behind.account_id)
                THEN 'owner'
                ELSE (SELECT m.role FROM people.members AS m
                      WHERE m.team_id = role_behind.account_id AND m.user_id = role_behind.made_by
                        AND m.status = 'active') END
$$;

REVOKE EXECUTE ON FUNCTION people.note_key_uses FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION people.forget_key_networks FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION people.log_key FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION people.erase_keys FROM PUBLIC;
