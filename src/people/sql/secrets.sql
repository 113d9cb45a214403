-- name: secret
SELECT value FROM people.secrets WHERE name = %(name)s;
