-- A payment of a provider belongs to one account. Whoever records one asks, under the append lock, whether another account
-- has it. Of a ledger that has one payment in two accounts already, both stay as they are (docs/adr/0073).

CREATE FUNCTION ledger.provider_of(state bytea) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT convert_from(state, 'UTF8')::json #>> '{data,provider}'
$$;

CREATE INDEX events_payment ON ledger.events (subject, ledger.provider_of(state)) WHERE topic = 'PaymentRecorded';
