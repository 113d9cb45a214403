-- API keys: only the SHA-256 of a key is kept. The key itself is shown once, to whoever made it.
CREATE TABLE ledger.api_keys (
    prefix       text PRIMARY KEY,
    sha256       bytea NOT NULL UNIQUE CHECK (length(sha256) = 32),
    name         text NOT NULL,
    scopes       text[] NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
