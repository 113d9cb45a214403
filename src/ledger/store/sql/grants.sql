-- What the role of the service may do with the store's tables, and with the database that they are in. What is not
-- here it may not do: roles.py takes it away again. One right a line, for that is how it is read.

GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO credit_ledger_service;
GRANT USAGE ON SCHEMA ledger TO credit_ledger_service;
GRANT SELECT ON TABLE ledger.migrations TO credit_ledger_service;
GRANT SELECT ON TABLE ledger.events TO credit_ledger_service;
GRANT SELECT ON TABLE ledger.identity TO credit_ledger_service;
GRANT SELECT ON TABLE ledger.text_keys TO credit_ledger_service;
GRANT SELECT ON TABLE ledger.event_log TO credit_ledger_service;
GRANT SELECT ON TABLE ledger.receipts TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION ledger.append TO credit_ledger_service;
-- These change cost, never meaning.
GRANT SELECT, INSERT, DELETE ON TABLE ledger.snapshots TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE ledger.subtrees TO credit_ledger_service;
GRANT SELECT, UPDATE ON TABLE ledger.checkpointing TO credit_ledger_service;
