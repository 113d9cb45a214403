-- A build of usage of an earlier version answers until it is replaced. The questions of this program ask for cached tokens too,
-- which it did not sum up: it answers 0.
DO $$
DECLARE
    rows_ constant regclass := to_regclass('projection_usage.usage_rows');
BEGIN
    IF rows_ IS NULL THEN
        RETURN;
    ELSIF (SELECT relkind = 'r' FROM pg_class WHERE oid = rows_) THEN
        ALTER TABLE projection_usage.usage_rows ADD COLUMN cached_tokens numeric NOT NULL DEFAULT 0;
    ELSE
        EXECUTE format(
            'CREATE OR REPLACE VIEW %s AS SELECT u.*, 0::numeric AS cached_tokens FROM (%s) AS u',
            rows_, rtrim(pg_get_viewdef(rows_), ';')
        );
    END IF;
EXCEPTION WHEN insufficient_privilege OR undefined_column OR duplicate_column THEN
    NULL;  -- a build of somebody else, or of another shape, answers again when it has been replaced
END
$$;
