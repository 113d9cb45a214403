-- name: lock
-- One change of the catalogue at a time.
SELECT pg_advisory_xact_lock(hashtextextended('billing.catalog', 0));

-- name: offers
-- Whether any plan, and any package, is shown to people and has a price.
SELECT coalesce(bool_or(kind = 'plan'), false) AS plans, coalesce(bool_or(kind = 'package'), false) AS packages
FROM (
    SELECT DISTINCT ON (kind, id) kind, body FROM billing.catalog ORDER BY kind, id, version DESC
) AS newest
WHERE (body -> 'listed')::boolean AND jsonb_array_length(body -> 'prices') > 0;

-- name: newest
-- The newest version of each entry, of one kind or of both.
SELECT DISTINCT ON (kind, id) kind, id, version, body, sha256, created_by, created_at
FROM billing.catalog
WHERE kind = %(kind)s OR %(kind)s::text IS NULL
ORDER BY kind, id, version DESC;

-- name: find
-- One version of an entry; without a number, the newest.
SELECT kind, id, version, body, sha256, created_by, created_at
FROM billing.catalog
WHERE kind = %(kind)s AND id = %(id)s AND (version = %(version)s OR %(version)s::integer IS NULL)
ORDER BY version DESC
LIMIT 1;

-- name: versions
-- All versions of an entry, the newest first.
SELECT kind, id, version, body, sha256, created_by, created_at
FROM billing.catalog
WHERE kind = %(kind)s AND id = %(id)s
ORDER BY version DESC;

-- name: sold_as
-- What some products of providers mean, each at its time (null: now): the version to which it was bound or, if a later
-- version applies to all, the newest of those. A product of our own provider names its version itself:
-- `plan:pro:3:monthly`.
SELECT w.number, p.price, c.kind, c.id, c.version, c.body, c.sha256, c.created_by, c.created_at
FROM unnest(%(providers)s::text[], %(products)s::text[], %(ats)s::timestamptz[])
    WITH ORDINALITY AS w (provider, product_id, at, number)
CROSS JOIN LATERAL (
    SELECT b.kind, b.id, b.version, b.price
    FROM billing.products AS b
    WHERE b.provider = w.provider AND b.product_id = w.product_id
    UNION ALL
    SELECT n.parts[1], n.parts[2], n.parts[3]::integer, n.parts[4]
    FROM regexp_match(
        CASE WHEN w.provider = 'manual' THEN w.product_id END, '^(plan|package):([^:]+):([0-9]{1,9}):([^:]*)$'
    ) AS n (parts)
    WHERE n.parts IS NOT NULL
) AS p
CROSS JOIN LATERAL (
    SELECT *
    FROM billing.catalog AS v
    WHERE v.kind = p.kind AND v.id = p.id
      AND (v.version = p.version
           OR v.version > p.version AND v.body ->> 'applies_to' = 'all'
              AND (v.created_at <= w.at OR w.at IS NULL))
    ORDER BY v.version DESC
    LIMIT 1
) AS c;

-- name: add
INSERT INTO billing.catalog (kind, id, version, body, sha256, created_by)
VALUES (%(kind)s, %(id)s, %(version)s, %(body)s, %(sha256)s, %(created_by)s);

-- name: bind
-- Products that are bound already stay as they are.
INSERT INTO billing.products (provider, product_id, kind, id, version, price)
SELECT provider, product_id, %(kind)s, %(id)s, %(version)s, price
FROM unnest(%(providers)s::text[], %(products)s::text[], %(prices)s::text[]) AS w (provider, product_id, price)
ON CONFLICT DO NOTHING;

-- name: sells
-- Whether there is any entry.
SELECT EXISTS (SELECT FROM billing.catalog) AS sells;
