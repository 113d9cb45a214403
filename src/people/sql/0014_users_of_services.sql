-- Users whom the service of a product manages. `external_id` is the product's own name of one: the `sub` of its provider,
-- where it has one. Who is disabled signs in nowhere, and their keys open nothing until they are enabled.
ALTER TABLE people.users
    ADD COLUMN external_id text COLLATE "C" UNIQUE,
    ADD COLUMN disabled_at timestamptz;
CREATE INDEX users_by_time ON people.users (created_at, user_id);
CREATE INDEX teams_by_time ON people.teams (created_at, team_id) WHERE deleted_at IS NULL;

-- What whoever made a key is in its account, now: a key of a product's service is as one of the owner's, and so is one of
-- a person in an account that is no team's; a key of a member of a team has their role, and none while they are suspended,
-- or when they have gone. Neither the keys of somebody who is disabled nor those of their account have a role.
CREATE OR REPLACE FUNCTION people.role_behind(account_id text, made_by text) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN role_behind.account_id IS NULL THEN NULL
                WHEN EXISTS (SELECT FROM people.users AS u
                             WHERE u.user_id IN (role_behind.account_id, role_behind.made_by)
                               AND u.disabled_at IS NOT NULL)
                THEN NULL
                WHEN NOT starts_with(role_behind.made_by, 'usr_') OR role_behind.made_by = role_behind.account_id
                     OR NOT EXISTS (SELECT FROM people.teams AS t WHERE t.team_id = role_behind.account_id)
                THEN 'owner'
                ELSE (SELECT m.role FROM people.members AS m
                      WHERE m.team_id = role_behind.account_id AND m.user_id = role_behind.made_by
                        AND m.status = 'active') END
$$;

-- What becomes of a user, becomes of their keys: they count as changed, so that every process reads them again. The row
-- of the user is locked before the changes of keys are, as it is when a user is erased.
CREATE FUNCTION people.number_keys_of_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('people.key_log', 0));
    UPDATE people.api_keys AS k SET changed = 0  -- its trigger gives the number
    WHERE (k.made_by = NEW.user_id OR k.account_id = NEW.user_id) AND k.revoked_at IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER keys_numbered AFTER UPDATE OF disabled_at ON people.users
FOR EACH ROW EXECUTE FUNCTION people.number_keys_of_user();

REVOKE EXECUTE ON FUNCTION people.number_keys_of_user FROM PUBLIC;
