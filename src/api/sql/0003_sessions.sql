-- Sessions of the dashboard: who may look at what, and until when. Of links and cookies only the SHA-256 is kept.
-- A person's session is of one account and begins with a one-time link; an operator's is as good as the API key behind it.
CREATE TABLE ledger.sessions (
    session_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    link_sha256     bytea UNIQUE CHECK (length(link_sha256) = 32),
    cookie_sha256   bytea UNIQUE CHECK (length(cookie_sha256) = 32),
    account_id      text COLLATE "C",
    key_sha256      bytea CHECK (length(key_sha256) = 32),
    return_url      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    link_expires_at timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    begun_at        timestamptz,
    ended_at        timestamptz,
    CHECK ((account_id IS NULL) <> (key_sha256 IS NULL))
);
CREATE INDEX sessions_by_end ON ledger.sessions (expires_at);
