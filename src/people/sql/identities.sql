-- People who sign in at a provider. Times come from the service, whose clock is the ledger's.

-- name: begin
INSERT INTO people.provider_requests (state_sha256, cookie_sha256, expires_at)
VALUES (%(state)s, %(cookie)s, %(expires_at)s);

-- name: forget
-- Delete what is over, at most 100 rows of each kind at a time.
WITH links AS (
    DELETE FROM people.identity_links WHERE sha256 IN (
        SELECT sha256 FROM people.identity_links WHERE expires_at < %(now)s ORDER BY expires_at LIMIT 100)
)
DELETE FROM people.provider_requests WHERE state_sha256 IN (
    SELECT state_sha256 FROM people.provider_requests WHERE expires_at < %(now)s ORDER BY expires_at LIMIT 100
);

-- name: take
-- An answer of the provider counts once, and in the browser that began; this one statement decides.
DELETE FROM people.provider_requests
WHERE state_sha256 = %(state)s AND cookie_sha256 = %(cookie)s AND expires_at > %(now)s RETURNING state_sha256;

-- name: user_of
SELECT user_id FROM people.identities WHERE issuer = %(issuer)s AND subject = %(subject)s;

-- name: named_by_product
-- The user whom the service of the product made with the same name: its provider is the product's too. None who is erased
-- at the moment.
SELECT user_id FROM people.users WHERE external_id = %(subject)s FOR NO KEY UPDATE;

-- name: make_user
-- An address that has a user already makes none, and is not theirs.
INSERT INTO people.users (user_id, email, name, email_verified_at, created_at)
VALUES (%(user_id)s, %(email)s, %(name)s, %(now)s, %(now)s) ON CONFLICT (email) DO NOTHING RETURNING user_id;

-- name: identify
INSERT INTO people.identities (issuer, subject, user_id, created_at)
VALUES (%(issuer)s, %(subject)s, %(user_id)s, %(now)s) ON CONFLICT DO NOTHING RETURNING user_id;

-- name: drop_registrations
DELETE FROM people.registrations WHERE email = %(email)s;

-- name: begin_session
INSERT INTO people.sessions (
    cookie_sha256, account_id, own_account_id, user_id, scopes, issuer, subject, id_token, client,
    created_at, link_expires_at, expires_at, begun_at, used_at
)
VALUES (
    %(cookie)s, %(account_id)s, %(account_id)s, %(user_id)s, %(scopes)s, %(issuer)s, %(subject)s, %(id_token)s,
    %(client)s, %(now)s, %(now)s, %(expires_at)s, %(now)s, %(now)s
);

-- name: note_sign_in
-- As in users.sql: this locks the user before anything of theirs.
UPDATE people.users SET last_sign_in_at = %(now)s WHERE user_id = %(user_id)s RETURNING disabled_at;

-- name: make_link
INSERT INTO people.identity_links (sha256, issuer, subject, user_id, email, expires_at)
SELECT %(sha256)s, %(issuer)s, %(subject)s, user_id, email, %(expires_at)s FROM people.users
WHERE email = %(email)s RETURNING user_id;

-- name: is_joinable
SELECT EXISTS (
    SELECT FROM people.identity_links AS l JOIN people.users AS u USING (user_id)
    WHERE l.sha256 = %(sha256)s AND l.expires_at > %(now)s AND u.email = l.email
) AS joinable;

-- name: join
-- A mailed link joins once, and a change of the address ends it. Its user is locked before it, as by an erasure.
WITH u AS MATERIALIZED (
    SELECT one.user_id, one.email FROM people.users AS one JOIN people.identity_links AS mailed USING (user_id)
    WHERE mailed.sha256 = %(sha256)s FOR NO KEY UPDATE OF one
)
DELETE FROM people.identity_links AS l USING u
WHERE l.sha256 = %(sha256)s AND l.expires_at > %(now)s AND u.user_id = l.user_id AND u.email = l.email
RETURNING l.issuer, l.subject, l.user_id;
