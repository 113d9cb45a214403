-- API keys and sessions get a schema of their own. The component api made them, in the schema of the log.
CREATE SCHEMA people;
ALTER TABLE ledger.api_keys SET SCHEMA people;
ALTER TABLE ledger.sessions SET SCHEMA people;
