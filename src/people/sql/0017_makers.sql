-- Whoever gets a new password is shown the keys that they made.
CREATE INDEX api_keys_by_maker ON people.api_keys (made_by) WHERE revoked_at IS NULL;
