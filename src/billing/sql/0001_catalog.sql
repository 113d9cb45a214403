-- What is sold: plans and packages, each with all of its versions. A version never changes: subscribers keep its terms.
CREATE SCHEMA billing;

CREATE TABLE billing.catalog (
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('plan', 'package')),
    id         text COLLATE "C" NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    body       jsonb NOT NULL,
    sha256     bytea NOT NULL CHECK (octet_length(sha256) = 32),  -- of the canonical JSON of the body
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, id, version)
);

-- Which product of a provider means which version: bound once, for ever.
CREATE TABLE billing.products (
    provider   text COLLATE "C" NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    version    integer NOT NULL,
    price      text COLLATE "C" NOT NULL,
    PRIMARY KEY (provider, product_id),
    FOREIGN KEY (kind, id, version) REFERENCES billing.catalog
);

CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON billing.catalog
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE billing.catalog ENABLE ALWAYS TRIGGER never_changed;

CREATE TRIGGER never_emptied BEFORE TRUNCATE ON billing.catalog
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE billing.catalog ENABLE ALWAYS TRIGGER never_emptied;

CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON billing.products
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE billing.products ENABLE ALWAYS TRIGGER never_changed;

CREATE TRIGGER never_emptied BEFORE TRUNCATE ON billing.products
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE billing.products ENABLE ALWAYS TRIGGER never_emptied;
