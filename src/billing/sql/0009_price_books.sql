-- The versions of the price book: what usage costs, and from when on. A version never changes: events name it.
CREATE TABLE billing.price_books (
    version      integer PRIMARY KEY CHECK (version > 0),
    effective_at timestamptz NOT NULL,
    body         jsonb NOT NULL,
    sha256       bytea NOT NULL CHECK (octet_length(sha256) = 32),  -- of the canonical JSON of the body
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON billing.price_books
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE billing.price_books ENABLE ALWAYS TRIGGER never_changed;

CREATE TRIGGER never_emptied BEFORE TRUNCATE ON billing.price_books
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE billing.price_books ENABLE ALWAYS TRIGGER never_emptied;
