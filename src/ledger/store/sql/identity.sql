-- name: ledger_id
SELECT id::text FROM ledger.identity;
