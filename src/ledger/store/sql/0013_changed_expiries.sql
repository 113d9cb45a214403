-- The expiry of a grant can be changed, and what has lapsed of it can be reinstated.
INSERT INTO ledger.topics (topic) VALUES ('GrantExpiryChanged');

-- Where credits lapsed: at their expiry, or when they came back after it. Such events are few, and only a reinstatement asks
-- for them.
CREATE INDEX events_lapses ON ledger.events (originator_id, originator_version)
WHERE topic = 'CreditsExpired'
   OR topic IN ('HoldCaptured', 'HoldExpired', 'HoldReleased', 'DeductionReversed', 'TransferReversed')
      AND position('"fate":"lapsed"'::bytea IN state) > 0;
