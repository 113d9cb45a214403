-- Files that operators upload, until they are imported or thrown away. The rows of a file may be about people.
CREATE TABLE imports.uploads (
    upload_id  text PRIMARY KEY,
    name       text NOT NULL,
    actor      text NOT NULL,
    size       bigint NOT NULL DEFAULT 0,
    state      text NOT NULL CHECK (state IN ('arriving', 'uploaded', 'checking', 'checked', 'recording', 'stopped', 'done')),
    form       jsonb NOT NULL DEFAULT '{}',
    problem    text,
    preview    jsonb,
    report     jsonb,
    bad_rows   bytea,
    done       bigint NOT NULL DEFAULT 0,
    total      bigint NOT NULL DEFAULT 0,
    stop       boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- While a process works on it, it changes every second.
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE imports.upload_parts (
    upload_id text    NOT NULL REFERENCES imports.uploads ON DELETE CASCADE,
    number    integer NOT NULL,
    content   bytea   NOT NULL,
    PRIMARY KEY (upload_id, number)
);
