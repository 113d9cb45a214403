-- What the role of the service may do with the jobs; see ledger/store/sql/grants.sql.

GRANT USAGE ON SCHEMA jobs TO credit_ledger_service;
GRANT SELECT, INSERT ON TABLE jobs.grant_jobs TO credit_ledger_service;
GRANT SELECT, INSERT ON TABLE jobs.grant_accounts TO credit_ledger_service;
