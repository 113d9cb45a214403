-- Who did what to whom, among people, teams and keys. What moves credits is in the log of the ledger and not here.
CREATE TABLE people.audit (
    entry_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    action     text COLLATE "C" NOT NULL CHECK (action ~ '^[a-z_]+\.[a-z_]+$'),
    actor      text COLLATE "C" NOT NULL,  -- usr_..., key:<prefix>, operator:<prefix>, system
    subject    text COLLATE "C" NOT NULL,  -- what it was done to: the id of a person, a team, a key ...
    account_id text COLLATE "C",
    details    jsonb CHECK (jsonb_typeof(details) = 'object')  -- null: they were erased
);
CREATE INDEX audit_by_actor ON people.audit (actor, entry_id);
CREATE INDEX audit_by_subject ON people.audit (subject, entry_id);
CREATE INDEX audit_by_account ON people.audit (account_id, entry_id) WHERE account_id IS NOT NULL;
CREATE INDEX audit_by_action ON people.audit (action, entry_id);

-- An entry is never changed, whoever asks, but that its details go, and an address that is its subject.
CREATE FUNCTION people.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.details IS NULL AND NEW.subject IN (OLD.subject, 'erased')
       AND (NEW.entry_id, NEW.at, NEW.action, NEW.actor, NEW.account_id)
           IS NOT DISTINCT FROM (OLD.entry_id, OLD.at, OLD.action, OLD.actor, OLD.account_id) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'people.audit is append-only: UPDATE is refused' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER only_erased BEFORE UPDATE ON people.audit
FOR EACH ROW EXECUTE FUNCTION people.refuse_audit_change();
ALTER TABLE people.audit ENABLE ALWAYS TRIGGER only_erased;

CREATE TRIGGER never_deleted BEFORE DELETE ON people.audit
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE people.audit ENABLE ALWAYS TRIGGER never_deleted;

CREATE TRIGGER never_emptied BEFORE TRUNCATE ON people.audit
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE people.audit ENABLE ALWAYS TRIGGER never_emptied;

-- The one way to forget a person: their entries keep the id, which is nobody's by then, and lose all details. Entries of
-- others lose them too where they have the address.
CREATE FUNCTION people.erase_audit(user_id text, email text) RETURNS void LANGUAGE sql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE people.audit AS a
    SET details = NULL, subject = CASE WHEN lower(a.subject) = erase_audit.email THEN 'erased' ELSE a.subject END
    WHERE erase_audit.user_id IN (a.actor, a.subject, a.account_id) OR lower(a.subject) = erase_audit.email
       OR strpos(lower(a.details::text), erase_audit.email) > 0
$$;
REVOKE EXECUTE ON FUNCTION people.erase_audit FROM PUBLIC;
