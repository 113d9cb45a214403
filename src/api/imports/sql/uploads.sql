-- name: begin
INSERT INTO imports.uploads (upload_id, name, actor, state) VALUES (%(upload_id)s, %(name)s, %(actor)s, 'arriving');

-- name: add_part
INSERT INTO imports.upload_parts (upload_id, number, content) VALUES (%(upload_id)s, %(number)s, %(content)s);

-- name: arrived
UPDATE imports.uploads SET state = 'uploaded', size = %(size)s, changed_at = now() WHERE upload_id = %(upload_id)s;

-- name: find
SELECT upload_id, name, actor, size, state, form, problem, preview, report, done, total, created_at,
    bad_rows IS NOT NULL AS has_bad_rows,
    state IN ('checking', 'recording') AND changed_at < now() - %(silence)s::interval AS abandoned
FROM imports.uploads
WHERE upload_id = %(upload_id)s AND state <> 'arriving';

-- name: recent
SELECT upload_id, name, actor, size, state, form, problem, preview, report, done, total, created_at,
    bad_rows IS NOT NULL AS has_bad_rows,
    state IN ('checking', 'recording') AND changed_at < now() - %(silence)s::interval AS abandoned
FROM imports.uploads
WHERE state <> 'arriving'
ORDER BY created_at DESC, upload_id
LIMIT %(limit)s;

-- name: part
SELECT content FROM imports.upload_parts WHERE upload_id = %(upload_id)s AND number = %(number)s;

-- name: bad_rows
SELECT bad_rows FROM imports.uploads WHERE upload_id = %(upload_id)s AND bad_rows IS NOT NULL;

-- name: claim
-- One process works on a file at a time. Whoever fell silent has lost it.
UPDATE imports.uploads
SET state = %(to)s, form = coalesce(%(form)s::jsonb, form), problem = NULL, stop = false, done = 0, total = 0,
    changed_at = now()
WHERE upload_id = %(upload_id)s
    AND (state = ANY (%(states)s::text[])
        OR state = ANY (%(left_behind)s::text[]) AND changed_at < now() - %(silence)s::interval)
RETURNING upload_id;

-- name: reach
UPDATE imports.uploads SET done = %(done)s, total = %(total)s, changed_at = now()
WHERE upload_id = %(upload_id)s AND state = %(state)s
RETURNING stop;

-- name: stop
UPDATE imports.uploads SET stop = true WHERE upload_id = %(upload_id)s AND state = 'recording' RETURNING upload_id;

-- name: settle
UPDATE imports.uploads
SET state = %(to)s, problem = %(problem)s, preview = coalesce(%(preview)s::jsonb, preview),
    report = coalesce(%(report)s::jsonb, report), bad_rows = CASE WHEN %(checked)s THEN %(bad_rows)s ELSE bad_rows END,
    changed_at = now()
WHERE upload_id = %(upload_id)s AND state = %(state)s;

-- name: drop_parts
DELETE FROM imports.upload_parts WHERE upload_id = %(upload_id)s;

-- name: discard
DELETE FROM imports.uploads
WHERE upload_id = %(upload_id)s
    AND (state NOT IN ('checking', 'recording') OR changed_at < now() - %(silence)s::interval)
RETURNING upload_id;

-- name: forget
DELETE FROM imports.uploads
WHERE created_at < now() - %(days)s * interval '1 day' AND state NOT IN ('checking', 'recording')
    OR state = 'arriving' AND created_at < now() - interval '1 hour';

-- name: count
SELECT count(*) FROM imports.uploads WHERE state <> 'done';
