-- What the role of the service may do with the tables of this floor; see ledger/store/sql/grants.sql.

GRANT SELECT, INSERT, UPDATE ON TABLE ledger.api_keys TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE ON TABLE ledger.refusals TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE ledger.sessions TO credit_ledger_service;
