-- Limits of an account, allowances within them, and usage that costs nothing.
INSERT INTO ledger.topics (topic) VALUES ('AllowanceSet'), ('LimitsSet'), ('UsageMetered');
