-- What the role of the service may do with API keys and sessions; see ledger/store/sql/grants.sql.

GRANT USAGE ON SCHEMA people TO credit_ledger_service;
GRANT SELECT ON TABLE people.api_keys TO credit_ledger_service;
GRANT SELECT ON TABLE people.key_log TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION people.create_key TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION people.revoke_key TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION people.touch_keys TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION people.role_behind TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION people.make_key TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION people.change_key TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION people.rotate_key TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION people.end_keys TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE people.sessions TO credit_ledger_service;
GRANT SELECT ON TABLE people.secrets TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE people.users TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE people.registrations TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE people.tokens TO credit_ledger_service;
GRANT SELECT, INSERT, DELETE ON TABLE people.attempts TO credit_ledger_service;
GRANT SELECT, INSERT ON TABLE people.audit TO credit_ledger_service;
GRANT EXECUTE ON FUNCTION people.erase_audit TO credit_ledger_service;
GRANT SELECT, INSERT, DELETE ON TABLE people.exports TO credit_ledger_service;
GRANT SELECT, INSERT, DELETE ON TABLE people.identities TO credit_ledger_service;
GRANT SELECT, INSERT, DELETE ON TABLE people.provider_requests TO credit_ledger_service;
GRANT SELECT, INSERT, DELETE ON TABLE people.identity_links TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE ON TABLE people.teams TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE people.members TO credit_ledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE people.invitations TO credit_ledger_service;
