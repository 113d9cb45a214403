-- Grants that start later than they are granted.

INSERT INTO ledger.topics (topic) VALUES ('GrantStarted');
