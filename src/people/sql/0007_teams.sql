-- Teams: an account that several people pay from. A team's id is the id of its account.
CREATE TABLE people.teams (
    team_id           text COLLATE "C" PRIMARY KEY CHECK (team_id ~ '^team_[0-9a-f]{20}$'),
    name              text NOT NULL,
    slug              text COLLATE "C" NOT NULL,
    made_by           text COLLATE "C" NOT NULL,
    created_at        timestamptz NOT NULL,
    account_opened_at timestamptz,
    deleting_at       timestamptz,  -- its credits go to its owner
    deleted_at        timestamptz
);
CREATE UNIQUE INDEX teams_by_slug ON people.teams (slug) WHERE deleted_at IS NULL;

CREATE TABLE people.members (
    team_id    text COLLATE "C" NOT NULL REFERENCES people.teams,
    user_id    text COLLATE "C" NOT NULL REFERENCES people.users ON DELETE CASCADE,
    role       text COLLATE "C" NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    status     text COLLATE "C" NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    joined_at  timestamptz NOT NULL,
    PRIMARY KEY (team_id, user_id),
    CHECK (role <> 'owner' OR status = 'active')
);
CREATE UNIQUE INDEX one_owner ON people.members (team_id) WHERE role = 'owner';
CREATE INDEX members_by_user ON people.members (user_id);

-- The invitations that are open, one for an address. Whatever ends one deletes it. One that is over holds no seat, until
-- the next one deletes it too.
CREATE TABLE people.invitations (
    invitation_id text COLLATE "C" PRIMARY KEY CHECK (invitation_id ~ '^inv_[0-9a-f]{20}$'),
    sha256        bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    team_id       text COLLATE "C" NOT NULL REFERENCES people.teams,
    email         text COLLATE "C" NOT NULL,
    role          text COLLATE "C" NOT NULL CHECK (role IN ('admin', 'member')),
    invited_by    text COLLATE "C" NOT NULL,  -- a user, or the key of an operator
    invited_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    UNIQUE (team_id, email)
);

-- What a session is in its account: a person whom the product vouches for may be told apart, and have a role.
ALTER TABLE people.sessions
    ADD COLUMN member text COLLATE "C",
    ADD COLUMN role   text COLLATE "C" CHECK (role IN ('owner', 'admin', 'member')),
    ADD COLUMN person jsonb;
CREATE INDEX sessions_by_account ON people.sessions (account_id) WHERE user_id IS NOT NULL AND ended_at IS NULL;

-- Invitations are counted apart from the mails that somebody asks for themselves.
ALTER TABLE people.attempts DROP CONSTRAINT attempts_kind_check;
ALTER TABLE people.attempts ADD CONSTRAINT attempts_kind_check
    CHECK (kind IN ('password', 'mail', 'invitation'));
