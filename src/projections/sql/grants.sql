-- The rights of the service's role on the results of the standing check; see ledger/store/sql/grants.sql. The role owns
-- the projections themselves, because the service makes, replaces and drops them.

GRANT USAGE ON SCHEMA projections TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE projections.drift TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE ON TABLE projections.checks TO credit_ledger_service;
