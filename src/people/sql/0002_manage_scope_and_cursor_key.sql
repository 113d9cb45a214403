-- What ledger:write allowed is divided: it spends, and ledger:manage grants, voids, records payments, freezes, closes and
-- opens. Existing keys keep both.
UPDATE people.api_keys SET scopes = array_append(scopes, 'ledger:manage')
WHERE 'ledger:write' = ANY (scopes) AND NOT 'ledger:manage' = ANY (scopes);

-- What all processes of this ledger share and callers do not know: the key with which cursors are authenticated.
CREATE TABLE people.secrets (
    name  text PRIMARY KEY,
    value bytea NOT NULL CHECK (octet_length(value) = 32)
);
-- gen_random_uuid() draws from the strong source of the server: 244 of these bits are random.
INSERT INTO people.secrets
SELECT 'cursors', decode(replace(concat(gen_random_uuid(), gen_random_uuid()), '-', ''), 'hex');
