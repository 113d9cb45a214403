-- Builds of earlier versions answer until they are replaced. The questions of this program ask for what came later: the time
-- at which usage occurred, its key and agent, what was measured of it, what was uncollected, transfers, and successors of
-- merged accounts. There was nothing of that then.
DO $$
DECLARE
    view regclass;
BEGIN
    FOREACH view IN ARRAY ARRAY[
        to_regclass('projection_history.entry_answers'), to_regclass('projection_history.entries')
    ] LOOP
        IF view IS NULL THEN
            CONTINUE;
        ELSIF (SELECT relkind = 'r' FROM pg_class WHERE oid = view) THEN
            EXECUTE format(
                'ALTER TABLE %s ADD COLUMN transfer_id text, ADD COLUMN other_account_id text, ADD COLUMN occurred_at timestamptz,'
                ' ADD COLUMN uncollected bigint NOT NULL DEFAULT 0',
                view
            );
        ELSE
            EXECUTE format(
                'CREATE OR REPLACE VIEW %s AS SELECT e.*, NULL::text AS transfer_id, NULL::text AS other_account_id,'
                ' NULL::timestamptz AS occurred_at, 0::bigint AS uncollected FROM (%s) AS e',
                view, rtrim(pg_get_viewdef(view), ';')
            );
        END IF;
    END LOOP;
    IF to_regclass('projection_history.entries') IS NOT NULL THEN
        CREATE TABLE projection_history.successors (account_id text, successor text);
    END IF;
    IF to_regclass('projection_statistics.statistics') IS NOT NULL THEN
        ALTER TABLE projection_statistics.statistics ADD COLUMN uncollected numeric NOT NULL DEFAULT 0,
        ADD COLUMN waived numeric NOT NULL DEFAULT 0;
        CREATE TABLE projection_statistics.statistics_measured (
            bucket timestamptz, count bigint, width smallint, slot smallint, provider text COLLATE "C",
            model text COLLATE "C", total numeric, PRIMARY KEY (width, bucket, provider, model, slot)
        );
    END IF;
    IF to_regclass('projection_usage.usage_rows') IS NOT NULL THEN
        ALTER TABLE projection_usage.groups ADD COLUMN key text, ADD COLUMN agent text;
        IF (SELECT relkind = 'r' FROM pg_class WHERE oid = 'projection_usage.usage_rows'::regclass) THEN
            ALTER TABLE projection_usage.usage_rows ADD COLUMN uncollected numeric NOT NULL DEFAULT 0;
        ELSE
            CREATE OR REPLACE VIEW projection_usage.usage_rows AS
            SELECT account_id AS account, bucket, count, width, group_id, credits, input_tokens, output_tokens,
                   0::numeric AS uncollected
            FROM projection_usage.usage;
        END IF;
        CREATE TABLE projection_usage.measured_rows AS
        SELECT account, bucket, count, width, width AS slot, group_id, credits AS total FROM projection_usage.usage_rows
        WITH NO DATA;
        CREATE VIEW projection_usage.usage_measured AS
        SELECT a.account_id, m.width, m.bucket, m.group_id, m.slot, m.count, m.total
        FROM projection_usage.measured_rows AS m JOIN projection_usage.usage_accounts AS a ON a.number = m.account;
    END IF;
    IF to_regclass('projection_rollups.rollups') IS NOT NULL THEN
        ALTER TABLE projection_rollups.rollups ADD COLUMN transferred numeric NOT NULL DEFAULT 0,
        ADD COLUMN transfers bigint NOT NULL DEFAULT 0;
    END IF;
    IF to_regrole('credit_ledger_service') IS NOT NULL THEN
        IF to_regclass('projection_usage.measured_rows') IS NOT NULL THEN
            GRANT SELECT ON projection_usage.measured_rows, projection_usage.usage_measured TO credit_ledger_service;
        END IF;
        IF to_regclass('projection_history.successors') IS NOT NULL THEN
            GRANT SELECT ON projection_history.successors TO credit_ledger_service;
        END IF;
        IF to_regclass('projection_statistics.statistics_measured') IS NOT NULL THEN
            GRANT SELECT ON projection_statistics.statistics_measured TO credit_ledger_service;
        END IF;
    END IF;
EXCEPTION WHEN insufficient_privilege OR undefined_column OR duplicate_table OR duplicate_column THEN
    NULL;  -- builds of somebody else, or of another shape, answer again when they have been replaced
END
$$;
