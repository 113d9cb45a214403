-- Accounts can be updated.
INSERT INTO ledger.topics (topic) VALUES ('AccountUpdated');
