-- People and teams, as operators look for them: those whose name or address has a text, or whose id it is.

-- name: people
SELECT u.user_id, u.email, u.name, u.created_at, u.last_sign_in_at, u.deletion_at, u.disabled_at,
       (SELECT count(*) FROM people.members AS m WHERE m.user_id = u.user_id) AS teams
FROM people.users AS u
WHERE strpos(u.email, lower(%(text)s)) > 0 OR strpos(lower(u.name), lower(%(text)s)) > 0 OR u.user_id = %(text)s
ORDER BY u.created_at DESC, u.user_id LIMIT %(limit)s;

-- name: teams
SELECT t.team_id, t.name, t.slug, t.created_at, u.email AS owner,
       (SELECT count(*) FROM people.members AS m WHERE m.team_id = t.team_id) AS members
FROM people.teams AS t
LEFT JOIN people.members AS o ON o.team_id = t.team_id AND o.role = 'owner' LEFT JOIN people.users AS u USING (user_id)
WHERE t.deleted_at IS NULL AND (
    strpos(lower(t.name), lower(%(text)s)) > 0 OR strpos(t.slug, lower(%(text)s)) > 0 OR t.team_id = %(text)s
    OR strpos(u.email, lower(%(text)s)) > 0)
ORDER BY t.created_at DESC, t.team_id LIMIT %(limit)s;

-- name: called
-- Whose account it is.
SELECT concat_ws(', ', nullif(name, ''), email) FROM people.users WHERE user_id = %(account_id)s
UNION ALL SELECT name FROM people.teams WHERE team_id = %(account_id)s AND deleted_at IS NULL;
