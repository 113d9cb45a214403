-- Mails. Times come from the service, whose clock is the ledger's.

-- name: place
-- One mail for one cause, however often it is placed.
INSERT INTO outbox.mails
    (cause, kind, recipient, subject, body, ending, state, created_at, due_at, send_before, ended_at)
VALUES (%(cause)s, %(kind)s, %(recipient)s, %(subject)s, %(body)s, %(ending)s, %(state)s, %(now)s, %(now)s,
        %(send_before)s, %(ended_at)s)
ON CONFLICT (cause) DO NOTHING;

-- name: lead
-- Try to become the connection that sends. It keeps the lock until it ends.
SELECT pg_try_advisory_lock(hashtextextended('outbox.mailer', 0)) AS leads;

-- name: due
SELECT mail_id, cause, kind, recipient, subject, body, ending, attempts, created_at, send_before FROM outbox.mails
WHERE state = 'waiting' AND due_at <= %(now)s ORDER BY due_at LIMIT %(limit)s;

-- name: end
UPDATE outbox.mails
SET state = %(state)s, ended_at = %(now)s, attempts = %(attempts)s, last_error = %(error)s, body = NULL, ending = NULL
WHERE mail_id = %(mail_id)s AND state = 'waiting';

-- name: postpone
UPDATE outbox.mails SET due_at = %(due_at)s, attempts = %(attempts)s, last_error = %(error)s
WHERE mail_id = %(mail_id)s AND state = 'waiting';

-- name: forget
-- Delete mails that ended long ago, at most 100 at a time.
DELETE FROM outbox.mails WHERE mail_id IN (
    SELECT mail_id FROM outbox.mails WHERE state <> 'waiting' AND ended_at < %(before)s ORDER BY ended_at LIMIT 100
);

-- name: forget_recipients
DELETE FROM outbox.mails WHERE lower(recipient) = ANY (%(recipients)s);
