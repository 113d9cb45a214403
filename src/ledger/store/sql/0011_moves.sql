-- Transfers between accounts.
INSERT INTO ledger.topics (topic) VALUES
    ('CreditsReceived'), ('CreditsSent'), ('CreditsSentBack'), ('TransferReversed');
