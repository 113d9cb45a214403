-- Subscriptions of accounts: what providers say about them. Their allowances are grants.

INSERT INTO ledger.topics (topic) VALUES ('SubscriptionRecorded');
