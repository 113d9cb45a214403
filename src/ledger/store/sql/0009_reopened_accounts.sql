-- A closed account can be opened again.
INSERT INTO ledger.topics (topic) VALUES ('AccountReopened');
