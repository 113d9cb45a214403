-- The rights of the service's role on the store's tables and on their database. roles.py revokes all rights that are not
-- listed here. It reads one statement per line.

GRANT CONNECT, TEMPORARY ON DATABASE {database} TO credit_ledger_service;
GRANT USAGE ON SCHEMA ledger TO credit_ledger_service;
GRANT SELECT ON TABLE ledger.migrations TO credit_ledger_service;
GRANT SELECT ON TABLE ledger.events TO credit_ledger_service;
GRANT SELECT ON TABLE ledger.topics TO credit_ledger_service;
GRANT SELECT ON TABLE ledger.identity TO credit_ledger_service;
GRANT SELECT ON TABLE ledger.text_keys TO credit_ledger_service;
GRANT SELECT ON TABLE ledger.event_log TO credit_ledger_service;
GRANT SELECT ON TABLE ledger.receipts TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION ledger.save_snapshots TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION ledger.append TO credit_ledger_service;
-- Losing rows of these tables costs time, and changes no answer.
GRANT SELECT, DELETE ON TABLE ledger.snapshots TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE ledger.subtrees TO credit_ledger_service;
GRANT SELECT, UPDATE ON TABLE ledger.checkpointing TO credit_ledger_service;
