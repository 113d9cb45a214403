-- What the role of the service may do with mails; see ledger/store/sql/grants.sql.

GRANT USAGE ON SCHEMA outbox TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE outbox.mails TO credit_ledger_service;
