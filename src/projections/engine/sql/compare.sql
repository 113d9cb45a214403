-- Names in braces are filled in by compare.py.

-- name: differing
-- The rows of a table in which two builds differ, each with its number and its values as text. To report progress, also
-- every so many rows, and the last one. Rows are compared by their binary image, so no type needs an equality operator.
SELECT number, kind,
       CASE WHEN kind IS NOT NULL THEN {key} END,
       CASE WHEN kind IS NOT NULL THEN {was_values} END,
       CASE WHEN kind IS NOT NULL THEN {should_values} END
FROM (
    SELECT was, should, row_number() OVER () AS number, lead(true) OVER () IS NULL AS last,
           CASE WHEN was.{first} IS NULL THEN 'missing'
                WHEN should.{first} IS NULL THEN 'extra'
                WHEN {was_row}::record *<> {should_row}::record THEN 'different'
           END AS kind
    FROM {live} AS was
    FULL JOIN {next} AS should ON {same_key}
) AS compared
WHERE kind IS NOT NULL OR last OR number % {step} = 0;

-- name: columns
-- The columns of all tables and views in a schema, in order, each with its type and collation.
SELECT c.relname::text AS table, a.attname::text AS column,
       format_type(a.atttypid, a.atttypmod) || ' ' || a.attcollation::regcollation::text AS type
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum;
