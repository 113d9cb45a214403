-- What is known: the joined facts of each thing, and the links between names.

-- name: known
-- The facts that some others are joined with.
SELECT f.kind, f.thing, f.fact
FROM unnest(%(kinds)s::text[], %(things)s::text[]) AS w (kind, thing)
JOIN billing.facts AS f USING (kind, thing);

-- name: put
INSERT INTO billing.facts (kind, thing, about, fact)
SELECT kind, thing, string_to_array(about, E'\n'), fact::jsonb
FROM unnest(%(kinds)s::text[], %(things)s::text[], %(about)s::text[], %(facts)s::text[]) AS w (kind, thing, about, fact)
ON CONFLICT (thing, kind) DO UPDATE SET about = excluded.about, fact = excluded.fact;

-- name: link
INSERT INTO billing.links (thing, belongs_to, kind)
SELECT thing, belongs_to, kind
FROM unnest(%(things)s::text[], %(belongs_to)s::text[], %(kinds)s::text[]) AS w (thing, belongs_to, kind)
ON CONFLICT (thing, belongs_to) DO NOTHING
RETURNING thing, belongs_to;

-- name: same
-- All names of the payments that go by some names, with the links between them. UNION ends at names that were found
-- before, so that a circle of links ends too.
WITH RECURSIVE names (name) AS (
    SELECT unnest(%(names)s::text[]) COLLATE "C"
    UNION
    SELECT o.name
    FROM names AS n
    CROSS JOIN LATERAL (
        SELECT belongs_to AS name FROM billing.links WHERE thing = n.name AND kind = 'same'
        UNION ALL
        SELECT thing FROM billing.links WHERE belongs_to = n.name AND kind = 'same'
    ) AS o
)
SELECT n.name, l.belongs_to
FROM names AS n LEFT JOIN billing.links AS l ON l.thing = n.name AND l.kind = 'same';

-- name: about
-- All facts about some payments and subscriptions.
SELECT kind, thing, fact FROM billing.facts WHERE about && %(names)s::text[];

-- name: owners
-- Whose some things are, and which of them belong to a subscription, in the order in which it was said.
SELECT thing, belongs_to, kind, made_by IS NOT NULL AS decided
FROM billing.links
WHERE thing = ANY (%(names)s::text[]) AND kind <> 'same'
ORDER BY number DESC;

-- name: invoices
-- Where the invoices of some payments are, as far as their providers said it.
SELECT thing, fact ->> 'url' AS url FROM billing.facts WHERE kind = 'InvoiceSeen' AND thing = ANY (%(names)s::text[]);
