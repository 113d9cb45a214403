-- What the role of the service may do with the catalogue; see ledger/store/sql/grants.sql.

GRANT USAGE ON SCHEMA billing TO credit_ledger_service;
GRANT SELECT, INSERT ON TABLE billing.catalog TO credit_ledger_service;
GRANT SELECT, INSERT ON TABLE billing.products TO credit_ledger_service;

GRANT SELECT, INSERT ON TABLE billing.price_books TO credit_ledger_service;

-- The inbox of webhooks.
GRANT SELECT ON TABLE billing.secrets TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE ON TABLE billing.webhooks TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE ON TABLE billing.facts TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE ON TABLE billing.links TO credit_ledger_service;

-- Checkouts.
GRANT SELECT, INSERT, UPDATE ON TABLE billing.checkouts TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE ON TABLE billing.manual_subscriptions TO credit_ledger_service;

-- Changes of subscriptions.
GRANT SELECT, INSERT, UPDATE ON TABLE billing.changes TO credit_ledger_service;

-- Up to when each provider was read again.
GRANT SELECT, INSERT, UPDATE ON TABLE billing.reconciled TO credit_ledger_service;
