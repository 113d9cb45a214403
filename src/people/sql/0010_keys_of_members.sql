-- What whoever made a key is in its account, now: a key of a product's service is as one of the owner's, a key of a
-- member of a team has their role, and none while they are suspended, or when they have gone.
CREATE OR REPLACE FUNCTION people.role_behind(account_id text, made_by text) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN role_behind.account_id IS NULL THEN NULL
                WHEN NOT starts_with(role_behind.made_by, 'usr_') OR role_behind.made_by = role_behind.account_id
                THEN 'owner'
                ELSE (SELECT m.role FROM people.members AS m
                      WHERE m.team_id = role_behind.account_id AND m.user_id = role_behind.made_by
                        AND m.status = 'active') END
$$;

-- What a member becomes, their keys become: they count as changed, so that every process reads them again. A key that
-- is made at the same moment is made before this or after it, as both hold the lock of changes.
CREATE FUNCTION people.number_keys_of_member() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    one people.members;
BEGIN
    one := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));
    UPDATE people.api_keys AS k SET changed = 0  -- its trigger gives the number
    WHERE k.account_id = one.team_id AND k.made_by = one.user_id AND k.revoked_at IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER keys_numbered AFTER INSERT OR DELETE OR UPDATE OF role, status ON people.members
FOR EACH ROW EXECUTE FUNCTION people.number_keys_of_member();

-- That lock comes before those of the rows of members, as it does when a person is erased: neither waits for the other.
CREATE FUNCTION people.lock_key_changes() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));
    RETURN NULL;
END
$$;
CREATE TRIGGER keys_locked BEFORE DELETE OR UPDATE OF role, status ON people.members
FOR EACH STATEMENT EXECUTE FUNCTION people.lock_key_changes();

REVOKE EXECUTE ON FUNCTION people.number_keys_of_member FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION people.lock_key_changes FROM PUBLIC;
