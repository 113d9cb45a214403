-- Teams, their members and invitations. Times come from the service, whose clock is the ledger's.
-- Whatever changes one begins with `lock`: changes of one team happen one after the other.

-- name: role
-- Of a person in a team that is there.
SELECT m.role FROM people.members AS m JOIN people.teams AS t USING (team_id)
WHERE m.team_id = %(team_id)s AND m.user_id = %(user_id)s AND m.status = 'active' AND t.deleted_at IS NULL;

-- name: lock
SELECT team_id, name, slug, created_at, account_opened_at, deleting_at FROM people.teams
WHERE team_id = %(team_id)s AND deleted_at IS NULL FOR UPDATE;

-- name: team
SELECT team_id, name, slug, created_at, account_opened_at, deleting_at FROM people.teams
WHERE team_id = %(team_id)s AND deleted_at IS NULL;

-- name: teams_of
-- With the role of a person, and how many people each has.
SELECT t.team_id, t.name, t.slug, t.created_at, t.account_opened_at, t.deleting_at, m.role,
       (SELECT count(*) FROM people.members AS o WHERE o.team_id = t.team_id) AS member_count
FROM people.members AS m JOIN people.teams AS t USING (team_id)
WHERE m.user_id = %(user_id)s AND m.status = 'active' AND t.deleted_at IS NULL
ORDER BY t.created_at, t.team_id LIMIT 1000;

-- name: managed
-- The oldest first: one, or after the last one of the page before, if there was one.
SELECT t.team_id, t.name, t.slug, t.created_at, t.account_opened_at, t.deleting_at, o.user_id AS owner_id,
       (SELECT count(*) FROM people.members AS m WHERE m.team_id = t.team_id) AS member_count
FROM people.teams AS t JOIN people.members AS o ON o.team_id = t.team_id AND o.role = 'owner'
WHERE t.deleted_at IS NULL
  AND (%(team_id)s::text IS NULL OR t.team_id = %(team_id)s)
  AND (%(slug)s::text IS NULL OR t.slug = %(slug)s)
  AND (%(user_id)s::text IS NULL OR EXISTS (
      SELECT FROM people.members AS m WHERE m.team_id = t.team_id AND m.user_id = %(user_id)s))
  AND (%(after)s::timestamptz IS NULL OR (t.created_at, t.team_id) > (%(after)s, %(after_id)s))
ORDER BY t.created_at, t.team_id LIMIT %(limit)s;

-- name: lock_user
-- Teams of one person are made one after the other; and whoever is erased at the moment gets none.
SELECT user_id, email, deletion_at FROM people.users WHERE user_id = %(user_id)s FOR NO KEY UPDATE;

-- name: owned
SELECT count(*) AS teams FROM people.members WHERE user_id = %(user_id)s AND role = 'owner';

-- name: make
INSERT INTO people.teams (team_id, name, slug, made_by, created_at)
VALUES (%(team_id)s, %(name)s, %(slug)s, %(made_by)s, %(now)s)
ON CONFLICT (slug) WHERE deleted_at IS NULL DO NOTHING
RETURNING team_id, name, slug, created_at, account_opened_at, deleting_at;

-- name: account_opened
UPDATE people.teams SET account_opened_at = coalesce(account_opened_at, %(now)s) WHERE team_id = %(team_id)s;

-- name: rename
UPDATE people.teams SET name = coalesce(%(name)s, name), slug = coalesce(%(slug)s, slug) WHERE team_id = %(team_id)s
RETURNING team_id, name, slug, created_at, account_opened_at, deleting_at;

-- name: begin_deletion
UPDATE people.teams SET deleting_at = coalesce(deleting_at, %(now)s) WHERE team_id = %(team_id)s;

-- name: stop_deletion
UPDATE people.teams SET deleting_at = NULL WHERE team_id = %(team_id)s AND deleted_at IS NULL;

-- name: delete
-- Its members go, and what they were given.
WITH gone AS (
    DELETE FROM people.members WHERE team_id = %(team_id)s
), withdrawn AS (
    DELETE FROM people.invitations WHERE team_id = %(team_id)s
), ended AS (
    UPDATE people.sessions SET ended_at = %(now)s, id_token = NULL
    WHERE account_id = %(team_id)s AND ended_at IS NULL AND cookie_sha256 IS DISTINCT FROM %(kept)s
)
UPDATE people.teams SET deleted_at = %(now)s WHERE team_id = %(team_id)s;

-- name: members
SELECT m.user_id, u.name, u.email, m.role, m.status, m.joined_at
FROM people.members AS m JOIN people.users AS u USING (user_id)
WHERE m.team_id = %(team_id)s ORDER BY m.joined_at, m.user_id;

-- name: add_member
INSERT INTO people.members (team_id, user_id, role, joined_at)
VALUES (%(team_id)s, %(user_id)s, %(role)s, %(now)s) ON CONFLICT DO NOTHING RETURNING user_id;

-- name: set_role
UPDATE people.members SET role = %(role)s WHERE team_id = %(team_id)s AND user_id = %(user_id)s;

-- name: set_status
UPDATE people.members SET status = %(status)s WHERE team_id = %(team_id)s AND user_id = %(user_id)s;

-- name: remove
DELETE FROM people.members WHERE team_id = %(team_id)s AND user_id = %(user_id)s;

-- name: end_sessions
-- Those of a person in a team, but one, if one is named.
UPDATE people.sessions SET ended_at = %(now)s, id_token = NULL
WHERE account_id = %(team_id)s AND user_id = %(user_id)s AND ended_at IS NULL
  AND cookie_sha256 IS DISTINCT FROM %(kept)s;

-- name: end_keys
-- Those of a person in a team; all of the team's, when nobody is named.
SELECT people.end_keys(%(team_id)s::text, NULL, %(user_id)s::text, %(now)s::timestamptz);

-- name: seats
-- How many are taken.
SELECT (SELECT count(*) FROM people.members WHERE team_id = %(team_id)s) AS members,
       (SELECT count(*) FROM people.invitations
        WHERE team_id = %(team_id)s AND expires_at > %(now)s) AS invited;

-- name: member_with
-- The member who has an address.
SELECT m.user_id FROM people.members AS m JOIN people.users AS u USING (user_id)
WHERE m.team_id = %(team_id)s AND u.email = %(email)s;

-- name: withdraw_of
-- Who is added needs no invitation.
DELETE FROM people.invitations WHERE team_id = %(team_id)s AND email = %(email)s;

-- name: forget_expired
DELETE FROM people.invitations WHERE team_id = %(team_id)s AND expires_at <= %(now)s;

-- name: invite
INSERT INTO people.invitations (invitation_id, sha256, team_id, email, role, invited_by, invited_at, expires_at)
VALUES (%(invitation_id)s, %(sha256)s, %(team_id)s, %(email)s, %(role)s, %(invited_by)s, %(now)s, %(expires_at)s)
RETURNING invitation_id, team_id, email, role, invited_by, invited_at, expires_at;

-- name: invitations
-- Those that are open.
SELECT invitation_id, team_id, email, role, invited_by, invited_at, expires_at FROM people.invitations
WHERE team_id = %(team_id)s AND expires_at > %(now)s ORDER BY invited_at, invitation_id;

-- name: resend
-- An open invitation gets another secret; the earlier one ends.
UPDATE people.invitations SET sha256 = %(sha256)s, invited_by = %(invited_by)s, expires_at = %(expires_at)s
WHERE invitation_id = %(invitation_id)s AND team_id = %(team_id)s AND expires_at > %(now)s
RETURNING invitation_id, team_id, email, role, invited_by, invited_at, expires_at;

-- name: withdraw
DELETE FROM people.invitations
WHERE invitation_id = %(invitation_id)s AND team_id = %(team_id)s AND expires_at > %(now)s
RETURNING invitation_id, team_id, email, role, invited_by, invited_at, expires_at;

-- name: invitation
-- The one of a mailed link, while it opens: who invited may still do so.
SELECT i.invitation_id, i.team_id, i.email, i.role, i.invited_by, i.invited_at, i.expires_at, t.name AS team_name
FROM people.invitations AS i JOIN people.teams AS t USING (team_id)
WHERE i.sha256 = %(sha256)s AND i.expires_at > %(now)s AND t.deleting_at IS NULL
  AND (NOT starts_with(i.invited_by, 'usr_') OR EXISTS (
      SELECT FROM people.members AS m JOIN people.users AS u USING (user_id)
      WHERE m.team_id = i.team_id AND m.user_id = i.invited_by
        AND m.role IN ('owner', 'admin') AND m.status = 'active' AND u.disabled_at IS NULL));

-- name: is_invited
-- Whether an address has an invitation that opens: the one with a secret, or any when none is given.
SELECT EXISTS (
    SELECT FROM people.invitations AS i JOIN people.teams AS t USING (team_id)
    WHERE i.email = %(email)s AND (%(sha256)s::bytea IS NULL OR i.sha256 = %(sha256)s) AND i.expires_at > %(now)s
      AND t.deleting_at IS NULL AND (NOT starts_with(i.invited_by, 'usr_') OR EXISTS (
          SELECT FROM people.members AS m JOIN people.users AS u USING (user_id)
          WHERE m.team_id = i.team_id AND m.user_id = i.invited_by
            AND m.role IN ('owner', 'admin') AND m.status = 'active' AND u.disabled_at IS NULL))
) AS invited;

-- name: accept
-- By the user who has the invited address, verified, at this moment.
DELETE FROM people.invitations AS i USING people.users AS u
WHERE i.invitation_id = %(invitation_id)s AND u.user_id = %(user_id)s AND u.email = i.email
RETURNING i.role;
