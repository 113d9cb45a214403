-- The counts of refused commands get a schema of their own. The component api made them, in the schema of the log.
CREATE SCHEMA measures;
ALTER TABLE ledger.refusals SET SCHEMA measures;
