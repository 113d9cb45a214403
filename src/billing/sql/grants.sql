-- What the role of the service may do with the catalogue; see ledger/store/sql/grants.sql.

GRANT USAGE ON SCHEMA billing TO credit_ledger_service;
GRANT SELECT, INSERT ON TABLE billing.catalog TO credit_ledger_service;
GRANT SELECT, INSERT ON TABLE billing.products TO credit_ledger_service;
