-- People who sign in at the provider of their product. A user may be known there; an address makes nobody known.
CREATE TABLE people.identities (
    issuer     text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL REFERENCES people.users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_by_user ON people.identities (user_id);

-- Sign-ins that were begun, for ten minutes: the answer of the provider counts in the browser that began. What else the
-- answer must fit is made from the secret of that browser, which is not here.
CREATE TABLE people.provider_requests (
    state_sha256  bytea PRIMARY KEY CHECK (octet_length(state_sha256) = 32),
    cookie_sha256 bytea NOT NULL CHECK (octet_length(cookie_sha256) = 32),
    expires_at    timestamptz NOT NULL
);
CREATE INDEX provider_requests_by_end ON people.provider_requests (expires_at);

-- Mailed links that join somebody at the provider to the user who has the same address here.
CREATE TABLE people.identity_links (
    sha256     bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    issuer     text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL REFERENCES people.users ON DELETE CASCADE,
    email      text COLLATE "C" NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX identity_links_by_end ON people.identity_links (expires_at);
CREATE INDEX identity_links_by_user ON people.identity_links (user_id);

-- A session that a provider vouches for is of one account, or of an operator with the scopes that its claims give.
ALTER TABLE people.sessions
    ADD COLUMN issuer  text COLLATE "C",
    ADD COLUMN subject text COLLATE "C",
    ADD COLUMN scopes  text[],
    ADD COLUMN own_account_id text COLLATE "C",  -- that of the claim, of which a user is the owner
    ADD CONSTRAINT sessions_of_providers CHECK ((issuer IS NULL) = (subject IS NULL)),
    ADD CONSTRAINT sessions_with_scopes CHECK (scopes IS NULL OR issuer IS NOT NULL),
    DROP CONSTRAINT sessions_check,
    ADD CONSTRAINT sessions_of_one CHECK (num_nonnulls(account_id, key_sha256, scopes) = 1);
