-- The audit log of people, teams and keys.

-- name: note
INSERT INTO people.audit (at, action, actor, subject, account_id, details)
VALUES (%(at)s, %(action)s, %(actor)s, %(subject)s, %(account_id)s, %(details)s);

-- name: page
-- The entries that the filters let through, the newest first.
SELECT entry_id, at, action, actor, subject, account_id, details FROM people.audit
WHERE entry_id < %(before)s
  AND (%(account_id)s::text IS NULL OR account_id = %(account_id)s)
  AND (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(action)s::text IS NULL OR action = %(action)s)
ORDER BY entry_id DESC LIMIT %(limit)s;

-- name: page_about
-- The entries of an account or a person: done by them, to them, or in their account. Each of the three has an index.
SELECT entry_id, at, action, actor, subject, account_id, details FROM (
    (SELECT * FROM people.audit WHERE actor = %(about)s AND entry_id < %(before)s
     ORDER BY entry_id DESC LIMIT %(limit)s)
    UNION
    (SELECT * FROM people.audit WHERE subject = %(about)s AND entry_id < %(before)s
     ORDER BY entry_id DESC LIMIT %(limit)s)
    UNION
    (SELECT * FROM people.audit WHERE account_id = %(about)s AND entry_id < %(before)s
     ORDER BY entry_id DESC LIMIT %(limit)s)
) AS found ORDER BY entry_id DESC LIMIT %(limit)s;

-- name: erase
SELECT people.erase_audit(%(user_id)s, %(email)s);
