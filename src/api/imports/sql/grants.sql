-- What the role of the service may do with what imports remember; see ledger/store/sql/grants.sql.

GRANT USAGE ON SCHEMA imports TO credit_ledger_service;
GRANT SELECT, INSERT ON TABLE imports.jobs TO credit_ledger_service;
GRANT SELECT, INSERT ON TABLE imports.rows TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE imports.uploads TO credit_ledger_service;
GRANT SELECT, INSERT, DELETE ON TABLE imports.upload_parts TO credit_ledger_service;
