-- The ID token with which a session of a provider began. The provider asks for it when somebody signs out there; it goes
-- when the session ends.
ALTER TABLE people.sessions ADD COLUMN id_token text CHECK (id_token IS NULL OR issuer IS NOT NULL);

-- Whether an address is invited, whichever link it got.
CREATE INDEX invitations_by_email ON people.invitations (email);

-- With what the links are signed that end mails of one kind.
INSERT INTO people.secrets
SELECT 'mail choices', decode(replace(concat(gen_random_uuid(), gen_random_uuid()), '-', ''), 'hex');

-- Mails about credits were never sent, so nobody can switch them off.
UPDATE people.users SET mails_off = array_remove(mails_off, 'credits') WHERE 'credits' = ANY (mails_off);
CREATE INDEX api_keys_by_end ON people.api_keys (expires_at) WHERE revoked_at IS NULL;
