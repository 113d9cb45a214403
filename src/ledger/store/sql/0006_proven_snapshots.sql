-- A snapshot is believed only if its event proves it: the event has a digest of the account's state after it, and the
-- chain covers the event. Snapshots from before have no such event; new ones are made in their place.
DELETE FROM ledger.snapshots;

-- The one way to write snapshots. It keeps those whose event, with that hash, has the digest of their state as its last
-- field; others are left out. A kept one that differs from what its event proves is replaced.
CREATE FUNCTION ledger.save_snapshots(
    accounts text[], versions bigint[], topics text[], states bytea[], hashes bytea[]
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO ledger.snapshots AS kept (originator_id, originator_version, topic, state, hash)
    SELECT s.account, s.version, s.topic, s.state, s.hash
    FROM unnest(accounts, versions, topics, states, hashes) AS s (account, version, topic, state, hash)
    JOIN ledger.events AS e ON e.originator_id = s.account AND e.originator_version = s.version AND e.hash = s.hash
    WHERE substring(e.state FROM octet_length(e.state) - 82)
          = convert_to(',"state_digest":"' || encode(sha256(s.state), 'hex') || '"}', 'UTF8')
    ON CONFLICT (originator_id, originator_version) DO UPDATE
    SET topic = excluded.topic, state = excluded.state, hash = excluded.hash
    WHERE (kept.topic, kept.state, kept.hash) IS DISTINCT FROM (excluded.topic, excluded.state, excluded.hash)
$$;
REVOKE EXECUTE ON FUNCTION ledger.save_snapshots FROM PUBLIC;
