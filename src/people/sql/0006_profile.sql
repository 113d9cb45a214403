-- What people say about themselves, what they asked for, and when they are erased.
ALTER TABLE people.users
    ADD COLUMN avatar_url    text,
    ADD COLUMN zone          text COLLATE "C",
    ADD COLUMN language      text COLLATE "C",
    ADD COLUMN mails_off     text[] NOT NULL DEFAULT '{}',
    ADD COLUMN former_emails text[] COLLATE "C" NOT NULL DEFAULT '{}',  -- mails to them go with the user
    ADD COLUMN deletion_at   timestamptz;  -- null: nobody asked for it
CREATE INDEX users_by_deletion ON people.users (deletion_at) WHERE deletion_at IS NOT NULL;

-- `keep` takes a deletion back.
ALTER TABLE people.tokens DROP CONSTRAINT tokens_purpose_check;
ALTER TABLE people.tokens ADD CONSTRAINT tokens_purpose_check
    CHECK (purpose IN ('reset', 'link', 'email', 'undo', 'keep'));

-- The copies of everything that people asked for. A copy is made when it is fetched, and kept nowhere.
CREATE TABLE people.exports (
    export_id  text COLLATE "C" PRIMARY KEY CHECK (export_id ~ '^exp_[0-9a-f]{20}$'),
    user_id    text COLLATE "C" NOT NULL REFERENCES people.users ON DELETE CASCADE,
    asked_at   timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX exports_by_user ON people.exports (user_id, expires_at);
