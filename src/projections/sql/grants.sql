-- The rights of the service's role on the results of the standing check, and on the functions that make, replace and drop
-- builds; see ledger/store/sql/grants.sql. On the tables of builds, make_build grants the rights.

GRANT USAGE ON SCHEMA projections TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE projections.drift TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE ON TABLE projections.checks TO credit_ledger_service;
GRANT SELECT ON TABLE projections.definitions TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION projections.make_build TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION projections.drop_build TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION projections.analyze_build TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION projections.switch_builds TO credit_ledger_service;
