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

-- The one way to write: whoever may call it appends with the rights of the owner, by its rules, and has no other right
-- to the table. The search path is its own, so nobody can lend it another meaning of a name.
ALTER FUNCTION ledger.append SECURITY DEFINER SET search_path = pg_catalog, ledger, pg_temp;
REVOKE EXECUTE ON FUNCTION ledger.append FROM PUBLIC;
