-- Nothing that was appended is ever changed, whoever asks: not by the role of the service (grants.sql), and not by the
-- owner, whom no right stops. Whoever takes these triggers off means it, and verification finds what he did then.

CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: % is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege';
END
$$;

-- For each statement, so one that finds no row is refused too. ENABLE ALWAYS: session_replication_role does not get
-- around them.
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON ledger.events
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER never_changed;

CREATE TRIGGER never_emptied BEFORE TRUNCATE ON ledger.events
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER never_emptied;

-- Which ledger this is: what its checkpoints are signed for.
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON ledger.identity
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.identity ENABLE ALWAYS TRIGGER never_changed;

CREATE TRIGGER never_emptied BEFORE TRUNCATE ON ledger.identity
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.identity ENABLE ALWAYS TRIGGER never_emptied;

-- A key of texts is destroyed by ledger.append, together with the fact that it was. It is never another one.
CREATE TRIGGER never_changed BEFORE UPDATE ON ledger.text_keys
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.text_keys ENABLE ALWAYS TRIGGER never_changed;

CREATE TRIGGER never_emptied BEFORE TRUNCATE ON ledger.text_keys
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.text_keys ENABLE ALWAYS TRIGGER never_emptied;

-- The service may not vacuum what is not its own: the server's own vacuum wipes out a destroyed key, soon.
ALTER TABLE ledger.text_keys SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);

-- The one way to write: whoever may call it appends with the rights of the owner, by its rules, and has no other right
-- to the table. The search path is its own, so nobody can lend it another meaning of a name.
ALTER FUNCTION ledger.append SECURITY DEFINER SET search_path = pg_catalog, ledger, pg_temp;
REVOKE EXECUTE ON FUNCTION ledger.append FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION ledger.destroy_keys FROM PUBLIC;
