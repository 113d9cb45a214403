-- Builds whose rows are wide answer until they are replaced: the questions of this program ask views of them, in which an
-- account is named by its id. They are dropped with those builds.
DO $$
BEGIN
    IF to_regclass('projection_history.entries') IS NOT NULL AND to_regclass('projection_history.entry_rows') IS NULL THEN
        CREATE VIEW projection_history.history_accounts AS
        SELECT account_id AS number, account_id FROM ledger.event_log WHERE version = 1;
        CREATE VIEW projection_history.entry_answers AS
        SELECT account_id AS account, sequence, sequence / 4 AS version, recorded_at, type,
               subscription + permanent AS credits, subscription AS subscription_credits, permanent AS permanent_credits,
               balance - subscription - permanent AS balance_before, balance AS balance_after, description, task_id,
               transaction_id, payment_id, source, CASE WHEN starts_with(about, 'grt_') THEN about END AS grant_id,
               CASE WHEN starts_with(about, 'ded_') THEN about END AS deduction_id, hold_id, usage::text AS usage,
               type::"char" AS code, hashtextextended(task_id, 0) AS task_hash
        FROM projection_history.entries;
    END IF;
    IF to_regclass('projection_usage.usage') IS NOT NULL AND to_regclass('projection_usage.usage_rows') IS NULL THEN
        CREATE VIEW projection_usage.usage_accounts AS
        SELECT account_id AS number, account_id FROM ledger.event_log WHERE version = 1;
        CREATE VIEW projection_usage.usage_rows AS
        SELECT account_id AS account, bucket, count, width, group_id, credits, input_tokens, output_tokens
        FROM projection_usage.usage;
    END IF;
    IF to_regrole('credit_ledger_service') IS NOT NULL THEN
        IF to_regclass('projection_history.entry_answers') IS NOT NULL THEN
            GRANT SELECT ON projection_history.history_accounts, projection_history.entry_answers TO credit_ledger_service;
        END IF;
        IF to_regclass('projection_usage.usage_rows') IS NOT NULL THEN
            GRANT SELECT ON projection_usage.usage_accounts, projection_usage.usage_rows TO credit_ledger_service;
        END IF;
    END IF;
EXCEPTION WHEN insufficient_privilege OR undefined_column THEN
    NULL;  -- builds of somebody else, or of another shape, answer again when they have been replaced
END
$$;
