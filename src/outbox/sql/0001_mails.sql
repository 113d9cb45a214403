CREATE SCHEMA outbox;

-- A mail is written in the transaction of its cause, and sent by a process afterwards. Its text may have a secret link,
-- so it is kept until the mail has ended, and no longer.
CREATE TABLE outbox.mails (
    mail_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cause       text COLLATE "C" NOT NULL UNIQUE,
    kind        text COLLATE "C" NOT NULL,
    recipient   text NOT NULL,
    subject     text NOT NULL,
    body        text,
    state       text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'sent', 'refused', 'late', 'unwanted')),
    attempts    integer NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    send_before timestamptz NOT NULL,
    ended_at    timestamptz,
    last_error  text,
    CHECK ((state = 'waiting') = (ended_at IS NULL)),
    CHECK ((state = 'waiting') = (body IS NOT NULL))
);
CREATE INDEX mails_due ON outbox.mails (due_at) WHERE state = 'waiting';
CREATE INDEX mails_ended ON outbox.mails (ended_at) WHERE state <> 'waiting';
