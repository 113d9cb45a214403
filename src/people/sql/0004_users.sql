-- People who sign in themselves. A user exists as soon as its address is verified, and not before.
CREATE TABLE people.users (
    user_id           text COLLATE "C" PRIMARY KEY CHECK (user_id ~ '^usr_[0-9a-f]{20}$'),
    email             text COLLATE "C" NOT NULL UNIQUE,
    name              text NOT NULL,
    email_verified_at timestamptz NOT NULL,
    password_hash     text,
    password_set_at   timestamptz,
    created_at        timestamptz NOT NULL,
    account_opened_at timestamptz,
    last_sign_in_at   timestamptz
);

-- What somebody asked for who may not own the address. Several may wait for one address: the one whose mailed link is
-- opened becomes the user, and the others go.
CREATE TABLE people.registrations (
    user_id        text COLLATE "C" PRIMARY KEY,
    sha256         bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),  -- of the mailed secret
    pending_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(pending_sha256) = 32),  -- of what was answered
    email          text COLLATE "C" NOT NULL,
    name           text NOT NULL,
    password_hash  text NOT NULL,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL
);
CREATE INDEX registrations_by_email ON people.registrations (email, created_at);
CREATE INDEX registrations_by_end ON people.registrations (expires_at);

-- Mailed secrets. One is bound to the address and to the password that its user had: a change of either ends it. Without
-- a user it is of nobody, written so that the answer takes as long as any other.
CREATE TABLE people.tokens (
    sha256          bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    purpose         text COLLATE "C" NOT NULL CHECK (purpose IN ('reset', 'link', 'email', 'undo')),
    user_id         text COLLATE "C",
    email           text COLLATE "C" NOT NULL,
    password_set_at timestamptz,
    new_email       text COLLATE "C",
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    used_at         timestamptz
);
CREATE INDEX tokens_by_end ON people.tokens (expires_at);
CREATE INDEX tokens_by_user ON people.tokens (user_id);

-- What strangers tried, for an hour: wrong passwords, and mails that they asked for.
CREATE TABLE people.attempts (
    attempt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('password', 'mail')),
    address    bytea NOT NULL CHECK (octet_length(address) = 32),  -- SHA-256
    network    text COLLATE "C" NOT NULL,
    at         timestamptz NOT NULL
);
CREATE INDEX attempts_by_address ON people.attempts (kind, address, at);
CREATE INDEX attempts_by_network ON people.attempts (kind, network, at);
CREATE INDEX attempts_by_time ON people.attempts (at);

-- A session of a person is of a user, who may end it. One for /api is no session of the pages, and the other way round.
ALTER TABLE people.sessions
    ADD COLUMN user_id text COLLATE "C" REFERENCES people.users,
    ADD COLUMN kind    text COLLATE "C" NOT NULL DEFAULT 'page' CHECK (kind IN ('page', 'token')),
    ADD COLUMN client  text,
    ADD COLUMN used_at timestamptz;
CREATE INDEX sessions_by_user ON people.sessions (user_id) WHERE user_id IS NOT NULL;
