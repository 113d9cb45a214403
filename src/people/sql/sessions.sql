-- Sessions of the dashboard. Times come from the service, whose clock is the ledger's.

-- name: make_link
-- A session that begins when its link is opened.
INSERT INTO people.sessions
    (link_sha256, account_id, key_sha256, return_url, created_at, link_expires_at, expires_at, member, role, person)
VALUES (%(link)s, %(account_id)s, %(key)s, %(return_url)s, %(now)s, %(link_expires_at)s, %(expires_at)s,
        %(member)s, %(role)s, %(person)s);

-- name: begin
-- The first to open the link gets the session; this one statement decides who is the first.
UPDATE people.sessions SET cookie_sha256 = %(cookie)s, begun_at = %(now)s
WHERE link_sha256 = %(link)s AND begun_at IS NULL AND link_expires_at > %(now)s
RETURNING account_id, key_sha256, return_url, expires_at, ended_at, user_id, member, role, person;

-- name: link
-- The state of a link, which this does not open.
SELECT account_id, return_url, begun_at, link_expires_at FROM people.sessions WHERE link_sha256 = %(link)s;

-- name: sign_in
INSERT INTO people.sessions (cookie_sha256, key_sha256, created_at, link_expires_at, expires_at, begun_at)
VALUES (%(cookie)s, %(key)s, %(now)s, %(now)s, %(expires_at)s, %(now)s);

-- name: find
-- With the role that a user has in the account at this moment, and the name of the team; no role for who is not in the
-- team any more.
SELECT s.account_id, s.key_sha256, s.return_url, s.expires_at, s.ended_at, s.user_id, s.issuer, s.subject, s.scopes,
       u.zone, u.language, s.member, s.person, s.own_account_id, t.name AS team_name,
       CASE WHEN s.user_id IS NULL THEN s.role
            WHEN s.account_id IN (s.user_id, s.own_account_id) THEN 'owner' ELSE m.role END AS role
FROM people.sessions AS s LEFT JOIN people.users AS u USING (user_id) LEFT JOIN people.members AS m
     ON m.team_id = s.account_id AND m.user_id = s.user_id AND m.status = 'active'
     LEFT JOIN people.teams AS t ON t.team_id = m.team_id
WHERE s.cookie_sha256 = %(cookie)s AND s.kind = 'page';

-- name: switch
-- A user's session goes on in another account of theirs, with another cookie: what was open in the one before ends.
UPDATE people.sessions AS s SET cookie_sha256 = %(new)s, account_id = %(account_id)s
WHERE s.cookie_sha256 = %(cookie)s AND s.kind = 'page' AND s.ended_at IS NULL AND s.expires_at > %(now)s
  AND s.user_id IS NOT NULL AND (coalesce(s.own_account_id, s.user_id) = %(account_id)s OR EXISTS (
      SELECT FROM people.members AS m WHERE m.team_id = %(account_id)s AND m.user_id = s.user_id AND m.status = 'active'))
RETURNING s.session_id;

-- name: renew
-- That of a user, while it is used.
UPDATE people.sessions SET used_at = %(now)s,
    expires_at = greatest(expires_at, least(%(now)s::timestamptz + interval '7 days', created_at + interval '30 days'))
WHERE cookie_sha256 = %(cookie)s AND user_id IS NOT NULL AND issuer IS NULL AND ended_at IS NULL
  AND expires_at > %(now)s;

-- name: which_are_open
-- Those of some cookies whose sessions have been neither ended nor forgotten.
SELECT cookie_sha256 FROM people.sessions WHERE cookie_sha256 = ANY (%(cookies)s) AND ended_at IS NULL;

-- name: end
-- With the ID token that it began with, which goes.
WITH before AS (SELECT session_id, id_token FROM people.sessions WHERE cookie_sha256 = %(cookie)s)
UPDATE people.sessions AS s SET ended_at = %(now)s, id_token = NULL FROM before AS b
WHERE s.session_id = b.session_id AND s.ended_at IS NULL RETURNING s.user_id, b.id_token;
