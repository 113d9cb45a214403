-- What the role of the service may do with the standing check's notes; see ledger/store/sql/grants.sql. Projections
-- themselves are its own, for it makes, replaces and drops them.

GRANT USAGE ON SCHEMA projections TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE projections.drift TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE ON TABLE projections.checks TO credit_ledger_service;
