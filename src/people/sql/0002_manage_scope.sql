-- What ledger:write allowed is divided: it spends, and ledger:manage grants, voids, records payments, freezes, closes and
-- opens. Existing keys keep both.
UPDATE people.api_keys SET scopes = array_append(scopes, 'ledger:manage')
WHERE 'ledger:write' = ANY (scopes) AND NOT 'ledger:manage' = ANY (scopes);
