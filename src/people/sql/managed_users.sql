-- Users whom the service of a product manages. Times come from the service, whose clock is the ledger's.

-- name: page
-- The oldest first; after the last one of the page before, if there was one.
SELECT user_id, external_id, email, name, created_at, last_sign_in_at, disabled_at, deletion_at FROM people.users
WHERE (%(email)s::text IS NULL OR email = %(email)s)
  AND (%(external_id)s::text IS NULL OR external_id = %(external_id)s)
  AND (%(after)s::timestamptz IS NULL OR (created_at, user_id) > (%(after)s, %(after_id)s))
ORDER BY created_at, user_id LIMIT %(limit)s;

-- name: find
SELECT user_id, external_id, email, name, created_at, last_sign_in_at, disabled_at, deletion_at FROM people.users
WHERE user_id = %(user_id)s;

-- name: lock
SELECT user_id, external_id, email, name, created_at, last_sign_in_at, disabled_at, deletion_at FROM people.users
WHERE user_id = %(user_id)s FOR NO KEY UPDATE;

-- name: make
-- Neither an address nor a name of the product's has two users.
INSERT INTO people.users (user_id, external_id, email, name, email_verified_at, created_at)
VALUES (%(user_id)s, %(external_id)s, %(email)s, %(name)s, %(now)s, %(now)s) ON CONFLICT DO NOTHING
RETURNING user_id, external_id, email, name, created_at, last_sign_in_at, disabled_at, deletion_at;

-- name: in_the_way
-- Who has the address, or the name of the product's: whoever has the address first.
SELECT user_id, external_id, email, name, created_at, last_sign_in_at, disabled_at, deletion_at FROM people.users
WHERE email = %(email)s OR external_id = %(external_id)s ORDER BY email <> %(email)s LIMIT 1;

-- name: change
-- What is null stays.
UPDATE people.users SET name = coalesce(%(name)s, name), external_id = coalesce(%(external_id)s, external_id)
WHERE user_id = %(user_id)s;

-- name: disable
UPDATE people.users SET disabled_at = %(now)s WHERE user_id = %(user_id)s AND disabled_at IS NULL RETURNING user_id;

-- name: enable
UPDATE people.users SET disabled_at = NULL WHERE user_id = %(user_id)s AND disabled_at IS NOT NULL RETURNING user_id;

-- name: end_sessions
UPDATE people.sessions SET ended_at = %(now)s, id_token = NULL WHERE user_id = %(user_id)s AND ended_at IS NULL;
