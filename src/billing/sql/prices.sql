-- name: lock_prices
-- One publication at a time.
SELECT pg_advisory_xact_lock(hashtextextended('billing.price_books', 0));

-- name: now
SELECT clock_timestamp() AS now;

-- name: timeline
-- When each version takes effect. It reads no content: each is up to a megabyte.
SELECT effective_at, version FROM billing.price_books;

-- name: versions
-- All versions, the newest first, without their rates.
SELECT version, effective_at, sha256, created_by, created_at, jsonb_array_length(body -> 'rates') AS rates
FROM billing.price_books
ORDER BY version DESC;

-- name: version
-- One version, without its rates.
SELECT version, effective_at, sha256, created_by, created_at, jsonb_array_length(body -> 'rates') AS rates
FROM billing.price_books
WHERE version = %(version)s;

-- name: body
-- The content of one version, as JSON.
SELECT body::text AS body FROM billing.price_books WHERE version = %(version)s;

-- name: publish
INSERT INTO billing.price_books (version, effective_at, body, sha256, created_by)
VALUES (%(version)s, %(effective_at)s, %(body)s, %(sha256)s, %(created_by)s);
