-- What the role of the service may do with the counts; see ledger/store/sql/grants.sql.

GRANT USAGE ON SCHEMA measures TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE ON TABLE measures.refusals TO credit_ledger_service;
